using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// An e-mail address that looks like one. Whether it exists only a mail can tell, so the shape is checked no more than
/// needed: no white space, one name, one domain with a dot in it.
/// </summary>
/// <param name="Text">As it was written, without white space around it.</param>
/// <param name="Key">Equal for two spellings of the same address: lower-case, the domain in ASCII.</param>
public sealed record EmailAddress(string Text, string Key)
{
    public const int Longest = 160;
    private const int LongestName = 64;
    private const string NeverInNames = "@\"(),:;<>[\\]";
    private static readonly IdnMapping Domains = new() { UseStd3AsciiRules = true };

    public static bool TryParse(string? text, [NotNullWhen(true)] out EmailAddress? email)
    {
        email = null;
        text = text?.Trim() ?? "";
        var at = text.LastIndexOf('@');
        if (text.Length > Longest || at is < 1 or > LongestName) return false;
        var (name, domain) = (text[..at], text[(at + 1)..]);
        if (name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || NeverInNames.Contains(c))) return false;
        if (name[0] == '.' || name[^1] == '.' || name.Contains("..", StringComparison.Ordinal)) return false;
        try
        {
            // Refuses empty labels, labels that are too long, and whatever no host name may hold.
            var ascii = Domains.GetAscii(domain.ToLowerInvariant());
            if (!ascii.Contains('.', StringComparison.Ordinal) || ascii.EndsWith('.')) return false;
            email = new EmailAddress(text, $"{name.ToLowerInvariant()}@{ascii}");
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
