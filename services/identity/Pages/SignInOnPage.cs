using System.Text.Json;
using OpenReadings.Chassis;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Pages;

/// <summary>The page where a person signs in before they are asked something. Its login is one of theirs: listed, and ended like others.</summary>
public static class SignInOnPage
{
    public const string Path = "/identity/sign-in";
    internal const string LoginScope = "openid";

    private sealed record Begun(Guid LoginId);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/sign-in", (HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct, string? @return, string? email) =>
            IsOurs(@return) ? ShowAsync(http, database, sessions, page, @return!, email, ct) : page.ShowErrorAsync(http, "Go back to the application and start again from there.")).ExcludeFromDescription();
        routes.MapPost("/sign-in", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    /// <summary>Sends a person to sign in, and from there to one of our own pages.</summary>
    public static IResult First(string next, string? email) => new SeeOther(Page.PathTo(Path, next, email));

    // Only where a question of ours waits: a page of somebody else must not be what follows our own. And only what can stand in a header.
    internal static bool IsOurs(string? next) =>
        next is not null && next.All(c => c is > ' ' and < '\x7f') && (next.StartsWith($"{Authorize.Path}?", StringComparison.Ordinal) || next == DecideDevice.Path
            || next.StartsWith($"{DecideDevice.Path}?", StringComparison.Ordinal) || next is PasskeysOnPage.Path or ConnectionsOnPage.Path);

    /// <summary>Where somebody goes on whom nothing of ours waits for: what they can do on our own pages.</summary>
    internal static string OursOr(string? next) => IsOurs(next) ? next! : PasskeysOnPage.Path;

    // A browser holds every redirect that follows a form to the form's page: also the one to the application, where nothing more has to be asked.
    private static async Task<IResult> ShowAsync(
        HttpContext http, Database database, BrowserSession sessions, Page page, string next, string? email, CancellationToken ct, string? problem = null, int status = 200) =>
        await page.ShowAsync<SignInPage>(http, new() { ["FormToken"] = sessions.FormTokenFor(http), ["Return"] = next, ["Email"] = email, ["Problem"] = problem },
            status, await Authorize.SendsToAsync(next, database, ct), usesPasskeys: true);

    private static async Task<IResult> HandleAsync(
        HttpContext http, Credentials credentials, PasskeyCeremony ceremony, Database database, BrowserSession sessions, Page page, TimeProvider clock, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        if (form["return"] is not { } next || !IsOurs(next)) return await page.ShowErrorAsync(http, "Go back to the application and start again from there.");
        var email = form["email"] ?? "";
        if (!sessions.IsOurs(http, form)) return await ShowAsync(http, database, sessions, page, next, email, ct, "The form was too old. Try once more.", 403);

        var before = await sessions.FindAsync(http, ct);
        if (form["passkey"] is { } given)
        {
            if (Read(given) is not { } credential || await SignInWithPasskey.BeginAsync(credential, database, ceremony, http, BeginAsync, ct) is null)
                return await ShowAsync(http, database, sessions, page, next, email, ct, SignInWithPasskey.Refused().ProblemDetails.Detail, 401);
        }
        else
        {
            var (person, refusal) = await credentials.CheckAsync(email, form["password"] ?? "", form["code"], http, ct);
            if (person is null) return await ShowAsync(http, database, sessions, page, next, email, ct, refusal!.ProblemDetails.Detail, refusal.StatusCode);
            await using var db = await database.BeginAsync(person.UserId, ct);
            if (await BeginAsync(db, person) is null) return await ShowAsync(http, database, sessions, page, next, email, ct, Credentials.Refused().ProblemDetails.Detail, 401);
            await db.CommitAsync();
        }
        // What this browser was before must not live on behind its back.
        if (before is not null) await sessions.EndAsync(before, ct);
        return new SeeOther(next);

        // The same login and a new cookie, however it was proved who it is.
        async Task<Begun?> BeginAsync(UserTransaction db, ProvenPerson person)
        {
            if (await NewLogin.BeginAsync(db, http, person, BrowserSession.Client, LoginScope, clock.GetUtcNow()) is not { } loginId) return null;
            await sessions.BeginAsync(db, http, loginId);
            return new(loginId);
        }
    }

    /// <summary>What a passkey's script wrote into the form; null where it is no JSON.</summary>
    internal static JsonElement? Read(string json)
    {
        try { return JsonElement.Parse(json); }
        catch (JsonException) { return null; }
    }
}
