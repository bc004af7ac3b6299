namespace OpenReadings.Readings;

/// <summary>What somebody may do with what was shared with them. Each includes the ones before it.</summary>
internal enum Access : short
{
    /// <summary>See the source for the sake of some of its metrics.</summary>
    Part = 0,
    Read = 1,
    /// <summary>Record, correct and delete readings and events.</summary>
    Write = 2,
    /// <summary>Change the source and its metrics too, and grant on what they have.</summary>
    Admin = 3,
}

internal static class AccessNames
{
    public static string ToText(this Access access) => access switch
    {
        Access.Admin => "admin",
        Access.Write => "write",
        _ => "read",
    };

    public static Access? Parse(string? text) => text switch
    {
        "read" => Access.Read,
        "write" => Access.Write,
        "admin" => Access.Admin,
        _ => null,
    };
}
