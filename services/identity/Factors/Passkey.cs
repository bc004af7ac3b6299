using OpenReadings.Chassis;

namespace OpenReadings.Identity.Factors;

/// <summary>A passkey as its person sees it. Backed up: it is on more than one device.</summary>
public sealed record Passkey(Guid PasskeyId, string Name, bool IsBackedUp, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt)
{
    public const string Example =
        """
        {"passkey_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "name": "Phone", "is_backed_up": true, "created_at": "2026-11-27T09:00:00Z", "last_used_at": null}
        """;

    public const string Columns = "passkey_id, name, is_backed_up, created_at, last_used_at";

    public static ProblemItem[] BrokenByName(string? name) => name is { Length: >= 1 and <= 100 } && !name.Any(char.IsControl)
        ? []
        : [new("/name", "invalid-name", "The name has 1 to 100 characters, none of them a control character.")];
}
