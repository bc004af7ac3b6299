namespace OpenReadings.Identity.OAuth;

/// <summary>What an application may ask a person for, and how the person is asked.</summary>
public static class Scope
{
    /// <summary>Every scope in the order in which people are asked, with what it lets an application do.</summary>
    public static readonly IReadOnlyList<(string Name, string Meaning)> All =
    [
        ("openid", "know that you are you"),
        ("profile", "see your name and your time zone"),
        ("email", "see your e-mail address"),
        ("readings:read", "see everything you have measured"),
        ("readings:write", "add, change and delete what you have measured"),
        ("sync:read", "see your imports"),
        ("sync:write", "import files for you"),
        ("catalog:read", "see kinds of readings and units"),
        ("catalog:write", "add kinds of readings and units"),
        ("offline_access", "do so while you are not there, until you take it back"),
    ];

    /// <summary>What an application may do as itself: nothing that is about a person.</summary>
    public static readonly string[] OfApplications = ["readings:read", "readings:write", "sync:read", "sync:write", "catalog:read", "catalog:write"];

    public static string[] Split(string? scope) => [.. (scope ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct()];

    public static bool IsKnown(string name) => All.Any(scope => scope.Name == name);

    public static bool Covers(string? granted, IEnumerable<string> wanted) => !wanted.Except(Split(granted)).Any();
}
