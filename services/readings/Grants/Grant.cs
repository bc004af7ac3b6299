using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>What somebody opens to somebody else, as both of them see it. The code of an offer is shown once and not here.</summary>
public sealed record Grant(
    Guid GrantId, Guid Owner, Guid GrantedBy, Guid? Grantee, Guid? ClientId, string Opens, string? Category, Guid? SourceId, string? Metric,
    DateTimeOffset? From, DateTimeOffset? Until, string Access, DateTimeOffset? EndsAt, string? Label, string State, DateTimeOffset CodeExpiresAt, DateTimeOffset CreatedAt,
    DateTimeOffset? AcceptedAt, DateTimeOffset? EndedAt);

/// <summary>What the slices of grants share.</summary>
internal static class Grants
{
    public const string Example =
        """
        {"grant_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "owner": "0190f3d2-0001-7b00-8000-000000000007",
         "granted_by": "0190f3d2-0001-7b00-8000-000000000007", "grantee": null, "client_id": null, "opens": "source", "category": null,
         "source_id": "0190f3d2-0000-7c31-9d1e-2b8c1f0a5e44", "metric": null, "from": null, "until": null, "access": "read", "ends_at": "2027-01-01T00:00:00Z",
         "label": "My doctor", "state": "offered", "code_expires_at": "2026-12-04T12:00:00Z", "created_at": "2026-11-27T12:00:00Z",
         "accepted_at": null, "ended_at": null}
        """;

    /// <summary>The grants that the person gave or received, or gave on: row-level security says which those are.</summary>
    public const string Select =
        """
        select grant_id, user_id as owner, granted_by, grantee_id as grantee, client_id, opens, category, source_id, metric, from_at as "from", until_at as until,
               case access when 1 then 'read' when 2 then 'write' else 'admin' end as access, nullif(ends_at, 'infinity') as ends_at, label,
               case when state = 'accepted' and ends_at <= now() or state = 'offered' and least(code_expires_at, ends_at) <= now()
                   then 'expired' else state end as state,
               code_expires_at, created_at, accepted_at, ended_at
        from grants
        where (@grantId::uuid is null or grant_id = @grantId) and (@after::uuid is null or grant_id > @after)
        order by grant_id
        limit @limit
        """;

    public static async Task<Grant?> FindAsync(UserTransaction db, Guid grantId) =>
        await db.FindAsync<Grant>(Select, new { grantId, after = (Guid?)null, limit = 1 });

    public static ProblemHttpResult NotFound(Guid grantId) => Problems.Of(404, "grant-not-found", $"There is no grant {grantId}.");

    public static ProblemHttpResult NotValid() =>
        Problems.Of(404, "invitation-not-valid", "This invitation is unknown, used, expired or withdrawn, or it is your own.");
}
