namespace OpenReadings.Identity.OAuth;

/// <summary>The parameters of a request of the protocol. Each is there once or not at all (RFC 6749 §3.1), and an empty one is not there.</summary>
public sealed class Form(IEnumerable<KeyValuePair<string, Microsoft.Extensions.Primitives.StringValues>> fields)
{
    private const int Longest = 4096;
    private readonly Dictionary<string, Microsoft.Extensions.Primitives.StringValues> values = fields.ToDictionary(field => field.Key, field => field.Value, StringComparer.Ordinal);

    public string? this[string name] => values.GetValueOrDefault(name) is [{ Length: > 0 and <= Longest } only] ? only : null;

    /// <summary>The name of one that comes twice, is longer than any is, or has a NUL, which no text of ours can hold; null when all is well.</summary>
    public string? Doubtful => values
        .Where(value => value.Value.Count > 1 || value.Value.Any(one => one?.Length > Longest || one?.Contains('\0', StringComparison.Ordinal) == true))
        .Select(value => value.Key).FirstOrDefault();

    /// <summary>The body of a request.</summary>
    public static async Task<Form> OfAsync(HttpRequest request, CancellationToken ct)
    {
        if (!request.HasFormContentType) throw new RefusedException("invalid_request", "The body is not a form.");
        IFormCollection read;
        try { read = await request.ReadFormAsync(ct); }
        // What the framework's reader says to an encoded NUL, to too many fields or too long ones.
        catch (Exception e) when (e is InvalidOperationException or InvalidDataException) { throw new RefusedException("invalid_request", "The form cannot be read."); }
        var form = new Form(read);
        return form.Doubtful is { } name ? throw new RefusedException("invalid_request", $"The parameter {Name(name)} comes twice, is too long, or has a NUL.") : form;
    }

    public string Require(string name) => this[name] ?? throw new RefusedException("invalid_request", $"The parameter {name} is missing.");

    private static string Name(string name) => name.Length < 40 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? name : "that was sent";
}
