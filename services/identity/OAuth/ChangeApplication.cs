using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.OAuth;

/// <summary>Changes what is given and leaves what is not. What it may ask for from now on takes nothing from whoever let it in before.</summary>
public static class ChangeApplication
{
    public sealed record Request(string? Name, string[]? RedirectUris, string[]? PostLogoutRedirectUris, string[]? Scopes);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPatch("/me/applications/{clientId:guid}", HandleAsync)
        .WithName("ChangeApplication").WithSummary("Changes the name, the redirect URIs or the scopes of an application that you made; what is not given stays. Takes a recent proof.")
        .WithExample(request: """{"redirect_uris": ["https://lab.example/callback", "http://127.0.0.1/callback"]}""");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid clientId, Request change, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        // Where codes go is a way to those who let it in.
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        if (await db.FindAsync<bool?>("select is_public from applications where client_id = @clientId for update", new { clientId }) is not { } isPublic) return MakeApplication.NotFound();
        ProblemItem[] broken =
        [
            .. change.Name is null ? [] : ApplicationRules.BrokenByName(change.Name), .. change.Scopes is null ? [] : ApplicationRules.BrokenByScopes(change.Scopes),
            .. ApplicationRules.BrokenByUris(change.RedirectUris, "redirect_uris", isPublic), .. ApplicationRules.BrokenByUris(change.PostLogoutRedirectUris, "post_logout_redirect_uris", isPublic),
        ];
        if (broken.Length > 0) return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);
        await db.ExecuteAsync(
            """
            update applications
            set name = coalesce(@Name, name), redirect_uris = coalesce(@redirects::jsonb, redirect_uris),
                post_logout_redirect_uris = coalesce(@afterLogout::jsonb, post_logout_redirect_uris), scope = coalesce(@scope, scope)
            where client_id = @clientId
            """,
            new
            {
                clientId, change.Name, redirects = Json(change.RedirectUris), afterLogout = Json(change.PostLogoutRedirectUris),
                scope = change.Scopes is { } scopes ? string.Join(' ', scopes.Distinct()) : null,
            });
        await db.NoteAsync(http, Entry.ApplicationChanged, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    private static string? Json(string[]? uris) => uris is null ? null : JsonSerializer.Serialize(uris);
}
