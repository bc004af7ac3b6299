using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Pages;

namespace OpenReadings.Identity.External;

/// <summary>The page where a person who has signed in connects accounts elsewhere, which then sign them in here, and disconnects them.</summary>
public static class ConnectionsOnPage
{
    public const string Path = "/identity/connections";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/connections", async (HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct) =>
            await sessions.FindAsync(http, ct) is { } who ? await ShowAsync(http, who, database, sessions, page, ct) : SignInOnPage.First(Path, null)).ExcludeFromDescription();
        routes.MapPost("/connections", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    private static async Task<IResult> HandleAsync(
        HttpContext http, Database database, BrowserSession sessions, ProviderTokens tokens, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        if (await sessions.FindAsync(http, ct) is not { } who) return SignInOnPage.First(Path, null);
        if (!sessions.IsOurs(http, form)) return await ShowAsync(http, who, database, sessions, page, ct, "The form was too old. Try once more.", 403);
        return (await ManageExternalIdentities.RemoveForAsync(who.UserId, who.LoginId, form["provider"] ?? "", database, tokens, http, ct)).Result is ProblemHttpResult problem
            ? await ShowAsync(http, who, database, sessions, page, ct, problem.ProblemDetails.Detail, problem.StatusCode)
            : new SeeOther(Path);
    }

    private static async Task<IResult> ShowAsync(
        HttpContext http, SignedIn who, Database database, BrowserSession sessions, Page page, CancellationToken ct, string? problem = null, int status = 200)
    {
        await using var db = await database.BeginAsync(who.UserId, ct);
        var connected = await db.QueryAsync<ExternalIdentity>($"select {ExternalIdentity.Columns} from external_identities order by created_at, issuer");
        return await page.ShowAsync<ConnectionsPage>(http, new()
        {
            ["FormToken"] = sessions.FormTokenFor(http), ["Email"] = who.Email, ["Connected"] = connected, ["Problem"] = problem,
        }, status);
    }
}
