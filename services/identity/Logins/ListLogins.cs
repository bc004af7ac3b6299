using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>Shows a person where they are signed in.</summary>
public static class ListLogins
{
    /// <summary>Address: the network that it was last used from, of IPv6 the /64. Device: as the program called itself.</summary>
    public sealed record Login(
        Guid LoginId, string Client, string? Device, string? Address, DateTimeOffset BeganAt, DateTimeOffset LastUsedAt, DateTimeOffset ExpiresAt, bool IsCurrent);
    public sealed record Response(IReadOnlyList<Login> Logins);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/logins", HandleAsync)
        .WithName("ListLogins").WithSummary("Where you are signed in, the last used first.")
        .WithExample(response:
            """
            {"logins": [{"login_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "client": "openreadings", "device": "curl/8.5.0", "address": "203.0.113.7/32",
                         "began_at": "2026-11-21T09:30:00Z", "last_used_at": "2026-11-27T08:40:00Z", "expires_at": "2027-02-19T09:30:00Z", "is_current": true}]}
            """);

    private static async Task<Response> HandleAsync(CurrentUser user, Database database, CancellationToken ct) => new(await database.ReadAsync<Login>(user,
        """
        select login_id, client_id as client, device, address::text, authenticated_at as began_at, last_used_at, expires_at,
            login_id is not distinct from @current::uuid as is_current
        from logins
        where ended_at is null and expires_at > now()
        order by last_used_at desc, login_id
        """, new { current = Entry.LoginOf(user) }, ct));
}
