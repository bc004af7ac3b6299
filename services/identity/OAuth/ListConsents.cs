using OpenReadings.Chassis;

namespace OpenReadings.Identity.OAuth;

/// <summary>Shows a person which applications they have let in, and for what.</summary>
public static class ListConsents
{
    public sealed record Shown(Guid ClientId, string? Name, string[] Scopes, DateTimeOffset GrantedAt, DateTimeOffset? LastUsedAt);
    public sealed record Response(IReadOnlyList<Shown> Consents);
    private sealed record Row(Guid ClientId, string? Name, string Scope, DateTimeOffset GrantedAt, DateTimeOffset? LastUsedAt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/consents", HandleAsync)
        .WithName("ListConsents").WithSummary("The applications that you let in, and for what.")
        .WithExample(response:
            """
            {"consents": [{"client_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "name": "Sleep lab", "scopes": ["openid", "readings:read"],
                           "granted_at": "2026-11-27T09:00:00Z", "last_used_at": "2026-11-27T09:12:00Z"}]}
            """);

    private static async Task<Response> HandleAsync(CurrentUser user, Database database, CancellationToken ct) => new([.. (await database.ReadAsync<Row>(user,
        """
        select c.client_id, a.name, c.scope, c.granted_at, (select max(l.last_used_at) from logins l where l.client_id = c.client_id::text) as last_used_at
        from consents c
        left join lateral find_application(c.client_id) a on true
        order by c.granted_at desc, c.client_id
        """, null, ct)).Select(row => new Shown(row.ClientId, row.Name, Scope.Split(row.Scope), row.GrantedAt, row.LastUsedAt))]);
}
