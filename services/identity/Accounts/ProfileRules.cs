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
