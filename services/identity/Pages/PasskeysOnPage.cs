using OpenReadings.Chassis;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Pages;

/// <summary>The page where a person who has signed in adds passkeys, names them anew and takes them away.</summary>
public static class PasskeysOnPage
{
    public const string Path = "/identity/passkeys";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/passkeys", async (HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct) =>
            await sessions.FindAsync(http, ct) is { } who ? await ShowAsync(http, who, database, sessions, page, ct) : SignInOnPage.First(Path, null)).ExcludeFromDescription();
        routes.MapPost("/passkeys", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    /// <summary>For our script, which shows the detail of a problem.</summary>
    public static void MapForScript(IEndpointRouteBuilder routes) => routes.MapPost("/passkeys/options", AskAsync).DisableAntiforgery().ExcludeFromDescription();

    private static async Task<IResult> AskAsync(HttpContext http, Database database, BrowserSession sessions, PasswordAgain password, PasskeyCeremony ceremony, CancellationToken ct)
    {
        Form form;
        try { form = await Form.OfAsync(http.Request, ct); }
        catch (RefusedException e) { return Problems.Of(400, "invalid-form", e.Message); }
        if (await sessions.FindAsync(http, ct) is not { } who) return Problems.Of(401, "authentication-required", "You are signed out. Load the page again.");
        if (!sessions.IsOurs(http, form)) return Problems.Of(403, "form-too-old", "The form was too old. Load the page again.");
        return (await AddPasskey.AskForAsync(who.UserId, who.LoginId, form["password"], database, password, ceremony, http, ct)).Result;
    }

    private static async Task<IResult> HandleAsync(HttpContext http, Database database, BrowserSession sessions, PasskeyCeremony ceremony, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        if (await sessions.FindAsync(http, ct) is not { } who) return SignInOnPage.First(Path, null);
        if (!sessions.IsOurs(http, form)) return await ShowAsync(http, who, database, sessions, page, ct, "The form was too old. Try once more.", 403);
        var passkeyId = Guid.TryParse(form["passkey_id"], out var id) ? id : Guid.Empty;
        IResult? answer = form["decision"] switch
        {
            "add" when SignInOnPage.Read(form["passkey"] ?? "") is { } credential => (await AddPasskey.AddForAsync(who.UserId, who.LoginId, new(form["name"], credential), database, ceremony, http, ct)).Result,
            "rename" => (await ManagePasskeys.RenameForAsync(who.UserId, who.LoginId, passkeyId, new(form["name"]), database, http, ct)).Result,
            "remove" => (await ManagePasskeys.RemoveForAsync(who.UserId, who.LoginId, passkeyId, database, http, ct)).Result,
            _ => Problems.Of(400, "invalid-form", "Nothing was asked for that can be done."),
        };
        if (answer is not Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult problem) return new SeeOther(Path);
        var rules = problem.ProblemDetails.Extensions.TryGetValue("errors", out var errors) ? string.Join(' ', ((ProblemItem[])errors!).Select(rule => rule.Detail)) : problem.ProblemDetails.Detail;
        return await ShowAsync(http, who, database, sessions, page, ct, rules, problem.StatusCode);
    }

    private static async Task<IResult> ShowAsync(
        HttpContext http, SignedIn who, Database database, BrowserSession sessions, Page page, CancellationToken ct, string? problem = null, int status = 200)
    {
        await using var db = await database.BeginAsync(who.UserId, ct);
        var passkeys = await db.QueryAsync<Passkey>($"select {Passkey.Columns} from passkeys order by created_at desc, passkey_id");
        return await page.ShowAsync<PasskeysPage>(http,
            new() { ["FormToken"] = sessions.FormTokenFor(http), ["Email"] = who.Email, ["Passkeys"] = passkeys, ["IsProved"] = await db.HasRecentProofAsync(who.LoginId), ["AsksForPassword"] = await db.ScalarAsync<bool>("select is_chosen from passwords"), ["Problem"] = problem }, status, usesPasskeys: true);
    }
}
