using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace OpenReadings.Chassis;

/// <summary>
/// Keys of gadgets and scripts, <c>or_&lt;env&gt;_&lt;id&gt;_&lt;secret&gt;&lt;checksum&gt;</c>. Identity is asked whose a key is and what it opens; what it
/// said is good for a second, so that a key that was ended opens nothing anywhere a second later.
/// </summary>
public sealed class ApiKeys(HttpClient identity, Uri introspection, TimeProvider clock)
{
    private const int MostRemembered = 10_000;
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1), Patience = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<string, Asked> remembered = new();

    private sealed class Asked(DateTimeOffset at, Lazy<Task<VerifiedToken?>> answer)
    {
        public DateTimeOffset At => at;
        public Lazy<Task<VerifiedToken?>> Answer => answer;
    }

    public sealed record Introspection(bool Active, Guid? Sub, string? KeyId, string? Scope, DateTimeOffset? ExpiresAt, bool ActsAsItself = false);

    /// <summary>
    /// The key of a request in any of the four places where gadgets can put one: <c>Authorization: Bearer</c> or <c>Token</c>, the password of
    /// <c>Basic</c>, <c>X-API-Key</c>. Null where there is none.
    /// </summary>
    public static string? Of(HttpRequest request)
    {
        if (request.Headers["X-API-Key"] is [{ } header]) return Looks(header);
        var authorization = request.Headers.Authorization.ToString();
        if (authorization.Split(' ', 2, StringSplitOptions.TrimEntries) is not [var scheme, var value]) return null;
        if (scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) || scheme.Equals("Token", StringComparison.OrdinalIgnoreCase)) return Looks(value);
        if (!scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase)) return null;
        var bytes = new byte[value.Length];
        return Convert.TryFromBase64String(value, bytes, out var length) && Encoding.UTF8.GetString(bytes, 0, length).Split(':', 2) is [_, var password] ? Looks(password) : null;

        static string? Looks(string text) => text.StartsWith("or_", StringComparison.Ordinal) ? text : null;
    }

    /// <summary>
    /// Whether a text can be a key at all: its end is the beginning of the SHA-256 of what stands before. What was mistyped or cut, and what
    /// somebody made up, costs identity nothing.
    /// </summary>
    public static bool IsWellFormed(string key) => key.Length is > 60 and < 120 && key[^8..] == Checksum(key[..^8]);

    /// <summary>The last eight characters of a key.</summary>
    public static string Checksum(string rest) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(rest)))[..8];

    internal async ValueTask<VerifiedToken?> VerifyAsync(string key, CancellationToken ct)
    {
        if (!IsWellFormed(key)) return null;
        var name = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
        while (true)
        {
            // Of many who come with one key at a moment, one asks and all wait for what it is told. Its time is that of the question: a second from when it was true.
            if (remembered.TryGetValue(name, out var known) && clock.GetUtcNow() - known.At < Fresh) return await known.Answer.Value.WaitAsync(ct);
            if (remembered.Count >= MostRemembered) remembered.Clear();
            Asked mine = null!;
            mine = new(clock.GetUtcNow(), new(() => AskAsync(key, name, mine)));
            if (known is null ? remembered.TryAdd(name, mine) : remembered.TryUpdate(name, mine, known)) return await mine.Answer.Value.WaitAsync(ct);
        }
    }

    // Whoever asked may go away: the others go on waiting.
    private async Task<VerifiedToken?> AskAsync(string key, string name, Asked asked)
    {
        try
        {
            using var limit = new CancellationTokenSource(Patience);
            using var answer = await identity.PostAsJsonAsync(introspection, new { ApiKey = key }, Json.Options, limit.Token);
            if (answer.StatusCode == HttpStatusCode.OK && await answer.Content.ReadFromJsonAsync<Introspection>(Json.Options, limit.Token) is { } said)
                return said is { Active: true, Sub: { } person, Scope: { } scope }
                    ? new VerifiedToken(person, $"api-key:{said.KeyId}", null, null, scope.Split(' ', StringSplitOptions.RemoveEmptyEntries), clock.GetUtcNow(), said.ExpiresAt ?? DateTimeOffset.MaxValue, "api-key") { ActsAsItself = said.ActsAsItself }
                    : null;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or JsonException or Polly.ExecutionRejectedException) { }
        remembered.TryRemove(KeyValuePair.Create(name, asked));
        // Nobody can say that the key is bad: the gadget tries again, and does not throw its key away.
        throw new ProblemException(503, "temporarily-unavailable", "Whose key this is cannot be asked at the moment. Try again.");
    }
}
