using System.Text.Json.Serialization;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>
/// A key as its person sees it again: never the key itself. OwnId: it acts as this id and not as its person, and opens what the person shares
/// with this id (<c>POST /readings/v1/grants</c> with it as the grantee): one source, one metric, for a time.
/// </summary>
public sealed record ApiKey(
    string KeyId, string Name, [property: JsonIgnore] string Scope, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? LastUsedAt, Guid? OwnId)
{
    public string[] Scopes => Scope.Split(' ');

    public const string Example =
        """
        {"key_id": "k3J9x0QmZ2aB", "name": "Bathroom scale", "scopes": ["readings:write"], "created_at": "2026-11-27T09:00:00Z", "expires_at": null, "last_used_at": "2026-11-27T09:12:00Z", "own_id": null}
        """;

    public const string Select =
        """
        select key_id, name, scope, created_at, expires_at, last_used_at, own_id
        from api_keys
        """;

    public const string Good = "ended_at is null and (expires_at is null or expires_at > now())";
}
