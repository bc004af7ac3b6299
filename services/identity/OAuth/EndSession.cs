using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>
/// Where an application sends a person to sign out (OpenID Connect RP-Initiated Logout). Without an ID token that shows whom it is about they
/// are asked: a link somewhere must not sign anybody out, nor lead on whoever was not signed in.
/// </summary>
public static class EndSession
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/end-session", (HttpContext http, Database database, BrowserSession sessions, TokenIssuer tokens, Page page, CancellationToken ct) =>
                HandleAsync(http, new Form(http.Request.Query), false, database, sessions, tokens, page, ct))
            .RefuseByPage()
            .WithName("EndSession").WithSummary("For browsers: signs the person out here and of the application that sends them, and redirects to where that has registered.")
            .WithExample(response: "<!DOCTYPE html>…", responseType: "text/html");
        routes.MapPost("/end-session", async (HttpContext http, Database database, BrowserSession sessions, TokenIssuer tokens, Page page, CancellationToken ct) =>
        {
            var form = await Form.OfAsync(http.Request, ct);
            return await HandleAsync(http, form, form["decision"] is not null && sessions.IsOurs(http, form), database, sessions, tokens, page, ct);
        }).RefuseByPage().DisableAntiforgery().ExcludeFromDescription();
    }

    private static async Task<IResult> HandleAsync(
        HttpContext http, Form form, bool isDecided, Database database, BrowserSession sessions, TokenIssuer tokens, Page page, CancellationToken ct)
    {
        if (form.Doubtful is not null) return await page.ShowErrorAsync(http, "The application asked in a way that is not clear.");
        var hint = form["id_token_hint"] is { } token ? tokens.ReadIdToken(token) : null;
        var clientId = hint?.ClientId ?? form["client_id"];
        if (hint is not null && form["client_id"] is { } named && named != hint.ClientId) return await page.ShowErrorAsync(http, "The application that sent you here is not the one that it says it is.");
        var application = await Application.FindAsync(database, clientId, ct);
        var redirectUri = form["post_logout_redirect_uri"];
        if (redirectUri is not null && application?.RedirectsAfterLogout(redirectUri) != true)
            return await page.ShowErrorAsync(http, "The application wants you sent to an address that it has not registered.");

        var who = await sessions.FindAsync(http, ct);
        if (who is not null && !isDecided && hint?.Subject != who.UserId)
            return await page.ShowAsync<SignOutPage>(http, new()
            {
                ["FormToken"] = sessions.FormTokenFor(http), ["Email"] = who.Email, ["ClientId"] = clientId, ["RedirectUri"] = redirectUri, ["State"] = form["state"],
            }, sendsTo: redirectUri is null ? null : Page.SourceOf(redirectUri));
        if (who is not null) await sessions.EndAsync(who, http, ct);
        var ended = 0;
        if (hint is not null)
        {
            await using var db = await database.BeginAsync(hint.Subject, ct);
            ended = await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'signed-out' where login_id = @LoginId and client_id = @ClientId and ended_at is null", hint);
            await db.CommitAsync();
        }
        var next = redirectUri is not null && form["state"] is { } state ? QueryHelpers.AddQueryString(redirectUri, "state", state) : redirectUri;
        // Who has signed out of something goes on by themselves. Otherwise it was a mere link, that anybody can make (RFC 9700 §4.11.2).
        return next is not null && (who is not null || ended > 0)
            ? new SeeOther(next)
            : await page.ShowAsync<MessagePage>(http, new() { ["Title"] = "You are signed out", ["Text"] = "You can close this page.", ["LeadsTo"] = next });
    }
}
