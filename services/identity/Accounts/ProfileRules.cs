using System.Globalization;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Accounts;

/// <summary>What a person may be called and where they may be.</summary>
public static class ProfileRules
{
    public const int LongestName = 60;
    public const string DefaultTimeZone = "UTC";

    public static IEnumerable<ProblemItem> BrokenByName(string? name)
    {
        if (name is null) yield break;
        if (name.EnumerateRunes().Count() > LongestName)
            yield return new("/name", "name-too-long", $"The name has more than {LongestName} characters.");
        if (name.EnumerateRunes().Any(Rune.IsControl))
            yield return new("/name", "invalid-name", "The name has control characters.");
    }

    /// <summary>
    /// A name as it may stand in a mail to somebody else: letters, digits, and what stands between them in names. Nothing in it is a link, or a text
    /// to fall for. Null where nothing is left.
    /// </summary>
    public static string? InMail(string? name)
    {
        var kept = new StringBuilder();
        foreach (var rune in (name ?? "").EnumerateRunes())
        {
            var isInName = Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
            // After a dot there is a space, or mail programs make a link of it.
            if (isInName && kept.Length > 0 && kept[^1] == '.') kept.Append(' ');
            if (isInName || rune.Value is '-' or '.' or '\'') kept.Append(rune);
            else if (Rune.IsWhiteSpace(rune) && kept.Length > 0 && kept[^1] != ' ') kept.Append(' ');
        }
        var text = string.Concat(kept.ToString().EnumerateRunes().Take(LongestName)).Trim();
        return text.EnumerateRunes().Any(Rune.IsLetterOrDigit) ? text : null;
    }

    public static IEnumerable<ProblemItem> BrokenByTimeZone(string? timeZone)
    {
        if (timeZone is not null && !IsTimeZone(timeZone))
            yield return new("/time_zone", "unknown-time-zone", "The time zone is no IANA name (Europe/Ljubljana).");
    }

    // The runtime finds time zones as files: copies in other folders and aliases of this server are not names.
    private static bool IsTimeZone(string name) =>
        name.Length is > 0 and <= 64
        && name is not ("localtime" or "posixrules" or "Factory")
        && !name.StartsWith("posix/", StringComparison.Ordinal) && !name.StartsWith("right/", StringComparison.Ordinal)
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+')
        && TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) && zone.Id == name;
}
