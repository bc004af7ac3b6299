using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.OAuth;

/// <summary>Shows a person the applications that they made, never a secret.</summary>
public static class ListApplications
{
    public sealed record Shown(Guid ClientId, string Name, bool IsPublic, string[] RedirectUris, string[] PostLogoutRedirectUris, string[] Scopes, DateTimeOffset CreatedAt);
    public sealed record Response(IReadOnlyList<Shown> Applications);
    private sealed record Row(Guid ClientId, string Name, bool IsPublic, string RedirectUris, string PostLogoutRedirectUris, string Scope, DateTimeOffset CreatedAt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/applications", HandleAsync)
        .WithName("ListApplications").WithSummary("The applications that you made, the newest first.")
        .WithExample(response:
            """
            {"applications": [{"client_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "name": "Sleep lab", "is_public": false, "redirect_uris": ["https://lab.example/callback"],
                               "post_logout_redirect_uris": [], "scopes": ["openid", "readings:read"], "created_at": "2026-11-27T09:00:00Z"}]}
            """);

    private static async Task<Response> HandleAsync(CurrentUser user, Database database, CancellationToken ct)
    {
        var rows = await database.ReadAsync<Row>(user,
            "select client_id, name, is_public, redirect_uris::text, post_logout_redirect_uris::text, scope, created_at from applications order by created_at desc, client_id", null, ct);
        return new([.. rows.Select(row => new Shown(row.ClientId, row.Name, row.IsPublic, Uris(row.RedirectUris), Uris(row.PostLogoutRedirectUris), Scope.Split(row.Scope), row.CreatedAt))]);
    }

    private static string[] Uris(string json) => JsonSerializer.Deserialize<string[]>(json)!;
}
