using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Pages;

namespace OpenReadings.Identity.OAuth;

/// <summary>The page where a person types the code of a gadget and lets it in (RFC 8628 §3.3). Guesses of codes are counted for each person and place.</summary>
public static class DecideDevice
{
    public const string Path = "/identity/device";

    private sealed record Request(Guid ClientId, string Scope, string AskedFrom, DateTimeOffset CreatedAt);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/device", async (HttpContext http, BrowserSession sessions, Page page, CancellationToken ct, string? user_code) =>
            await sessions.FindAsync(http, ct) is null
                ? SignInOnPage.First(user_code is null ? Path : QueryHelpers.AddQueryString(Path, "user_code", user_code), null)
                : await AskForCodeAsync(http, sessions, page, user_code)).ExcludeFromDescription();
        routes.MapPost("/device", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    private static async Task<IResult> HandleAsync(
        HttpContext http, Database database, BrowserSession sessions, UserCodeBudget budget, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        if (await sessions.FindAsync(http, ct) is not { } who) return SignInOnPage.First(Path, null);
        if (!sessions.IsOurs(http, form)) return await AskForCodeAsync(http, sessions, page, null, "The form was too old. Try once more.", 403);
        var code = AuthorizeDevice.Plain(form["user_code"]);
        if (!budget.Take(who.UserId)) return await AskForCodeAsync(http, sessions, page, null, "Too many codes were wrong. Wait for some minutes.", 429);

        await using var db = await database.BeginAsync(who.UserId, ct);
        if (await db.FindAsync<Request>("select client_id, scope, asked_from, created_at from find_device_request(@code)", new { code }) is not { } request
            || await Application.FindAsync(database, request.ClientId.ToString(), ct) is not { } application)
            return await AskForCodeAsync(http, sessions, page, form["user_code"], "There is no gadget with this code. It may have taken too long: let it show a new one.", 404);
        budget.Return(who.UserId);
        // What is allowed outlives the login of this browser.
        if (form["decision"] is null or "allow" && !await db.HoldRecentProofAsync(who.LoginId)) return SignInOnPage.First(QueryHelpers.AddQueryString(Path, "user_code", code), null);
        var wanted = Scope.Split(request.Scope);
        switch (form["decision"])
        {
            case null:
                return await page.ShowAsync<DeviceConsentPage>(http, new()
                {
                    ["Application"] = application, ["Wanted"] = wanted, ["Email"] = who.Email, ["AskedFrom"] = request.AskedFrom.Split("/32")[0], ["AskedAt"] = request.CreatedAt,
                    ["FormToken"] = sessions.FormTokenFor(http), ["UserCode"] = code,
                });
            case "allow" when ScopeChoices.Chosen(form, wanted) is { Length: > 0 } chosen:
                if (!await db.ScalarAsync<bool>("select decide_device_request(@code, @scope, @AuthenticatedAt)", new { code, scope = string.Join(' ', chosen), who.AuthenticatedAt })) break;
                await Consent.GiveAsync(db, http, application, chosen, who.LoginId);
                await db.CommitAsync();
                return await DoneAsync(http, page, $"{application.Name} is in", "You can close this page: your gadget goes on by itself.");
            default:
                if (!await db.ScalarAsync<bool>("select decide_device_request(@code, null, null)", new { code })) break;
                await db.CommitAsync();
                return await DoneAsync(http, page, $"{application.Name} stays out", "You can close this page.");
        }
        return await AskForCodeAsync(http, sessions, page, null, "Somebody was quicker with this code.", 409);
    }

    private static Task<IResult> AskForCodeAsync(HttpContext http, BrowserSession sessions, Page page, string? code, string? problem = null, int status = 200) =>
        page.ShowAsync<DeviceCodePage>(http, new() { ["FormToken"] = sessions.FormTokenFor(http), ["UserCode"] = code, ["Problem"] = problem }, status);

    private static Task<IResult> DoneAsync(HttpContext http, Page page, string title, string text) =>
        page.ShowAsync<MessagePage>(http, new() { ["Title"] = title, ["Text"] = text });
}
