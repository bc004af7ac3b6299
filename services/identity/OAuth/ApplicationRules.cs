using System.Globalization;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.OAuth;

/// <summary>What an application may be called, where it may receive codes, and what it may ask for.</summary>
public static class ApplicationRules
{
    private const int LongestName = 100, MostUris = 10, LongestUri = 2000;

    public static IEnumerable<ProblemItem> BrokenByName(string? name)
    {
        // It stands in the question that people are asked, and must not turn what follows around, or look like another by what nobody sees.
        if (name is null || name.Length is 0 or > LongestName || name.Trim() != name || name.Any(IsUnseen))
            yield return new("/name", "invalid-name", $"The name has 1 to {LongestName} characters, none of which controls or hides something, and no white space around it.");
    }

    // The two joiners are needed by some scripts, and by pictures of several people.
    private static bool IsUnseen(char c) => c is not ('\u200c' or '\u200d') && char.GetUnicodeCategory(c) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    public static IEnumerable<ProblemItem> BrokenByScopes(string[]? scopes)
    {
        if (scopes is null or [] || !scopes.All(Scope.IsKnown))
            yield return new("/scopes", "invalid-scopes", $"Scopes are one or several of {string.Join(", ", Scope.All.Select(scope => scope.Name))}.");
    }

    public static IEnumerable<ProblemItem> BrokenByUris(string[]? uris, string field, bool isPublic)
    {
        if (uris?.Length > MostUris) yield return new($"/{field}", "too-many-uris", $"There are at most {MostUris}.");
        foreach (var (uri, at) in (uris ?? []).Select((uri, at) => (uri, at)))
            if (!IsGood(uri, isPublic))
                yield return new($"/{field}/{at}", "invalid-redirect-uri",
                    "A redirect URI is absolute, has no fragment and no user, and is https; http only to 127.0.0.1, [::1] or localhost; or, for a public application, a scheme of its own with a dot in it (org.example.app:/callback).");
    }

    private static bool IsGood(string? text, bool isPublic)
    {
        if (text is null or { Length: 0 or > LongestUri } || text.Any(c => c is <= ' ' or >= '\x7f' or '\\' or '*') || !Uri.TryCreate(text, UriKind.Absolute, out var uri)) return false;
        if (text.Contains('#', StringComparison.Ordinal) || uri.UserInfo.Length > 0) return false;
        return uri.Scheme switch
        {
            "https" => uri.Host.Length > 0,
            "http" => uri.Host is "127.0.0.1" or "[::1]" or "localhost",
            var scheme => isPublic && scheme.Contains('.', StringComparison.Ordinal),
        };
    }
}
