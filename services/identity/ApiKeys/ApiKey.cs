using System.Text.Json.Serialization;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>A key as its person sees it again: never the key itself.</summary>
public sealed record ApiKey(
    string KeyId, string Name, [property: JsonIgnore] string Scope, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? LastUsedAt)
{
    public string[] Scopes => Scope.Split(' ');

    public const string Example =
        """
        {"key_id": "k3J9x0QmZ2aB", "name": "Bathroom scale", "scopes": ["readings:write"], "created_at": "2026-11-27T09:00:00Z", "expires_at": null, "last_used_at": "2026-11-27T09:12:00Z"}
        """;

    public const string Select =
        """
        select key_id, name, scope, created_at, expires_at, last_used_at
        from api_keys
        """;

    public const string Good = "ended_at is null and (expires_at is null or expires_at > now())";
}
