using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Pages;

/// <summary>The page where a person signs in before they are asked something. Its login is one of theirs: listed, and ended like others.</summary>
public static class SignInOnPage
{
    private const string Path = "/identity/sign-in", LoginScope = "openid";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/sign-in", (HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct, string? @return, string? email) =>
            IsOurs(@return) ? ShowAsync(http, database, sessions, page, @return!, email, ct) : page.ShowErrorAsync(http, "Go back to the application and start again from there.")).ExcludeFromDescription();
        routes.MapPost("/sign-in", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    /// <summary>Sends a person to sign in, and from there to one of our own pages.</summary>
    public static IResult First(string next, string? email) =>
        new SeeOther(QueryHelpers.AddQueryString(Path, email is null ? [KeyValuePair.Create<string, string?>("return", next)] : [KeyValuePair.Create<string, string?>("return", next), KeyValuePair.Create("email", (string?)email)]));

    // Only where a question of ours waits: a page of somebody else must not be what follows our own. And only what can stand in a header.
    private static bool IsOurs(string? next) =>
        next is not null && next.All(c => c is > ' ' and < '\x7f') && (next.StartsWith($"{Authorize.Path}?", StringComparison.Ordinal) || next == DecideDevice.Path || next.StartsWith($"{DecideDevice.Path}?", StringComparison.Ordinal));

    // A browser holds every redirect that follows a form to the form's page: also the one to the application, where nothing more has to be asked.
    private static async Task<IResult> ShowAsync(
        HttpContext http, Database database, BrowserSession sessions, Page page, string next, string? email, CancellationToken ct, string? problem = null, int status = 200) =>
        await page.ShowAsync<SignInPage>(http, new() { ["FormToken"] = sessions.FormTokenFor(http), ["Return"] = next, ["Email"] = email, ["Problem"] = problem },
            status, await Authorize.SendsToAsync(next, database, ct));

    private static async Task<IResult> HandleAsync(
        HttpContext http, Credentials credentials, Database database, BrowserSession sessions, Page page, TimeProvider clock, CancellationToken ct)
    {
        Form form;
        try { form = await Form.OfAsync(http.Request, ct); }
        catch (RefusedException e) { return await page.ShowErrorAsync(http, e.Message); }
        if (form["return"] is not { } next || !IsOurs(next)) return await page.ShowErrorAsync(http, "Go back to the application and start again from there.");
        var email = form["email"] ?? "";
        if (!sessions.IsOurs(http, form)) return await ShowAsync(http, database, sessions, page, next, email, ct, "The form was too old. Try once more.", 403);

        var (person, refusal) = await credentials.CheckAsync(email, form["password"] ?? "", form["code"], http, ct);
        if (person is null) return await ShowAsync(http, database, sessions, page, next, email, ct, refusal!.ProblemDetails.Detail, refusal.StatusCode);
        var before = await sessions.FindAsync(http, ct);
        await using (var db = await database.BeginAsync(person.UserId, ct))
        {
            if (await NewLogin.BeginAsync(db, http, person, BrowserSession.Client, LoginScope, clock.GetUtcNow()) is not { } loginId)
                return await ShowAsync(http, database, sessions, page, next, email, ct, Credentials.Refused().ProblemDetails.Detail, 401);
            await sessions.BeginAsync(db, http, loginId);
            await db.CommitAsync();
        }
        // What this browser was before must not live on behind its back.
        if (before is not null) await sessions.EndAsync(before, ct);
        return new SeeOther(next);
    }
}
