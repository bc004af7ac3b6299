using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>
/// Where an application sends a person to be let in (RFC 6749 §3.1, OpenID Connect Core §3.1.2): signs them in, asks them, and sends them back
/// with a code that is good for a minute. Until it is certain where "back" is, and that the person wants to go there, what is wrong is said on a page.
/// </summary>
public static class Authorize
{
    public const string Path = "/identity/v1/authorize";
    private const int ChallengeLength = 43;

    /// <summary>A request that can be answered: application and redirect URI are right.</summary>
    private sealed record Asked(Application Application, string RedirectUri, string? State, Form Form, string Query);

    /// <summary>Sent back to the application.</summary>
    private sealed class SentBackException(string error, string description) : Exception(description)
    {
        public string Error => error;
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/authorize", AskAsync).RequireRateLimiting(RateLimits.Sensitive).RefuseByPage()
            .WithName("Authorize").WithSummary("For browsers: signs a person in, asks whether the application may, and redirects to it with a code (PKCE with S256, always).")
            .WithExample(response: "<!DOCTYPE html>…", responseType: "text/html");
        routes.MapPost("/authorize", DecideAsync).RequireRateLimiting(RateLimits.Sensitive).RefuseByPage().DisableAntiforgery().ExcludeFromDescription();
    }

    private static async Task<IResult> AskAsync(
        HttpContext http, Database database, BrowserSession sessions, TokenIssuer tokens, Page page, TimeProvider clock, CancellationToken ct)
    {
        var (asked, problem) = await ReadAsync(http.Request.QueryString.Value ?? "", database, ct);
        if (asked is null) return await page.ShowErrorAsync(http, problem!);
        var who = await sessions.FindAsync(http, ct);
        var prompts = Scope.Split(asked.Form["prompt"]);
        var isSilent = prompts.Contains("none");
        try
        {
            var wanted = Validate(asked);
            if (isSilent && prompts.Length > 1) throw new SentBackException("invalid_request", "The prompt none stands alone.");
            var maxAge = asked.Form["max_age"] is not { } text ? (TimeSpan?)null
                : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds)
                : throw new SentBackException("invalid_request", "max_age is a number of seconds.");

            if (who is null || prompts.Contains("login") || prompts.Contains("select_account") || clock.GetUtcNow() - who.AuthenticatedAt > maxAge)
                return isSilent ? throw new SentBackException("login_required", "Nobody has signed in, or too long ago.") : SignInOnPage.First(Again(asked), asked.Form["login_hint"]);

            await using var db = await database.BeginAsync(who.UserId, ct);
            var allowed = await db.ScalarAsync<string>("select scope from consents where client_id = @ClientId", new { asked.Application.ClientId });
            if (Scope.Covers(allowed, wanted) && !prompts.Contains("consent") && !asked.Application.IsImpersonable(asked.RedirectUri))
            {
                var code = await CodeAsync(db, asked, who, wanted);
                await db.CommitAsync();
                return Back(asked, tokens, ("code", code));
            }
            if (isSilent) throw new SentBackException("consent_required", "The person has to be asked.");
            // What is allowed outlives the login of this browser.
            if (!await db.HasRecentProofAsync(who.LoginId)) return SignInOnPage.First(Again(asked), asked.Form["login_hint"]);
            return await page.ShowAsync<ConsentPage>(http, new()
            {
                ["Application"] = asked.Application, ["Wanted"] = wanted, ["Email"] = who.Email, ["GoesTo"] = Page.SourceOf(asked.RedirectUri), ["FormToken"] = sessions.FormTokenFor(http),
                ["Request"] = asked.Query, ["OtherAccount"] = $"{Path}{Without(asked.Query, "prompt")}&prompt=select_account",
            }, sendsTo: Page.SourceOf(asked.RedirectUri));
        }
        catch (SentBackException e)
        {
            // Anybody can register an address and hand out links to us that lead there. So nobody is sent on by a mere link but where they have let the
            // application in, or where it asks in silence, which must not show a page (RFC 9700 §4.11.2).
            var back = AddressOf(asked, tokens, ("error", e.Error), ("error_description", e.Message));
            return isSilent || await HasLetInAsync(who, asked.Application, database, ct) ? new SeeOther(back)
                : await page.ShowErrorAsync(http, $"{asked.Application.Name} asked for something that it cannot have: {e.Message}", leadsTo: back);
        }
    }

    private static async Task<bool> HasLetInAsync(SignedIn? who, Application application, Database database, CancellationToken ct)
    {
        if (who is null) return false;
        await using var db = await database.BeginAsync(who.UserId, ct);
        return await db.ScalarAsync<bool>("select exists (select from consents where client_id = @ClientId)", new { application.ClientId });
    }

    private static async Task<IResult> DecideAsync(
        HttpContext http, Database database, BrowserSession sessions, TokenIssuer tokens, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        var (asked, problem) = await ReadAsync(form["request"] ?? "", database, ct);
        if (asked is null) return await page.ShowErrorAsync(http, problem!);
        if (await sessions.FindAsync(http, ct) is not { } who) return SignInOnPage.First(Again(asked), null);
        if (!sessions.IsOurs(http, form)) return await page.ShowErrorAsync(http, "The form was not from here, or you have signed in anew since. Go back and try again.", 403);
        try
        {
            var chosen = ScopeChoices.Chosen(form, Validate(asked));
            if (form["decision"] != "allow" || chosen.Length == 0) throw new SentBackException("access_denied", "The person said no.");
            await using var db = await database.BeginAsync(who.UserId, ct);
            if (!await db.HoldRecentProofAsync(who.LoginId)) return SignInOnPage.First(Again(asked), null);
            await Consent.GiveAsync(db, http, asked.Application, chosen, who.LoginId);
            var code = await CodeAsync(db, asked, who, chosen);
            await db.CommitAsync();
            return Back(asked, tokens, ("code", code));
        }
        catch (SentBackException e)
        {
            return Back(asked, tokens, ("error", e.Error), ("error_description", e.Message));
        }
    }

    /// <summary>Where a request that waits for somebody to sign in may lead in the end; null where it is not right.</summary>
    public static async Task<string?> SendsToAsync(string next, Database database, CancellationToken ct) =>
        next.StartsWith($"{Path}?", StringComparison.Ordinal) && await ReadAsync(next[Path.Length..], database, ct) is { Asked: { } asked } ? Page.SourceOf(asked.RedirectUri) : null;

    // Nothing of a request is believed, and nobody is sent anywhere, before the application and its redirect URI are known to be right.
    private static async Task<(Asked? Asked, string? Problem)> ReadAsync(string query, Database database, CancellationToken ct)
    {
        var form = new Form(QueryHelpers.ParseQuery(query));
        if (form.Doubtful is not null) return (null, "The application asked in a way that is not clear: one of its parameters comes twice or is too long.");
        if (await Application.FindAsync(database, form["client_id"], ct) is not { } application) return (null, "The application that sent you here is not known, or it has been ended.");
        if (form["redirect_uri"] is not { } redirectUri || !application.Redirects(redirectUri))
            return (null, "The application wants your answer sent to an address that it has not registered.");
        return (new(application, redirectUri, form["state"], form, query), null);
    }

    private static string[] Validate(Asked asked)
    {
        var form = asked.Form;
        if (form["request"] is not null) throw new SentBackException("request_not_supported", "Requests as a JWT are not supported.");
        if (form["request_uri"] is not null) throw new SentBackException("request_uri_not_supported", "Requests by reference are not supported.");
        if (form["response_type"] != "code") throw new SentBackException("unsupported_response_type", "The response type is code.");
        if (form["response_mode"] is not (null or "query")) throw new SentBackException("invalid_request", "The response mode is query.");
        if (form["code_challenge_method"] != "S256" || form["code_challenge"] is not { Length: ChallengeLength } challenge || !Base64Url.IsValid(challenge))
            throw new SentBackException("invalid_request", "PKCE with code_challenge_method S256 is required.");
        var wanted = Scope.Split(form["scope"]);
        if (wanted.Length == 0 || !Scope.Covers(asked.Application.Scope, wanted)) throw new SentBackException("invalid_scope", "The application may not ask for this scope.");
        return wanted;
    }

    private static async Task<string> CodeAsync(UserTransaction db, Asked asked, SignedIn who, string[] scopes)
    {
        var code = $"oc_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}";
        await db.ExecuteAsync(
            """
            insert into authorization_codes (code_hash, client_id, redirect_uri, scope, nonce, challenge, authenticated_at)
            values (@hash, @ClientId, @RedirectUri, @scope, @nonce, @challenge, @AuthenticatedAt)
            """,
            new
            {
                hash = Application.HashOf(code), asked.Application.ClientId, asked.RedirectUri, scope = string.Join(' ', scopes), nonce = asked.Form["nonce"],
                challenge = asked.Form["code_challenge"], who.AuthenticatedAt,
            });
        return code;
    }

    // Signing in anew was what prompt and max_age asked for: the same request must not ask for it again.
    private static string Again(Asked asked)
    {
        var query = Without(asked.Query, "prompt", "max_age");
        return Scope.Split(asked.Form["prompt"]).Contains("consent") ? $"{Path}{query}&prompt=consent" : $"{Path}{query}";
    }

    private static string Without(string query, params string[] names) => QueryHelpers.AddQueryString("", QueryHelpers.ParseQuery(query)
        .Where(field => !names.Contains(field.Key)).Select(field => KeyValuePair.Create(field.Key, (string?)field.Value.ToString())));

    private static SeeOther Back(Asked asked, TokenIssuer tokens, params (string Name, string Value)[] answer) => new(AddressOf(asked, tokens, answer));

    private static string AddressOf(Asked asked, TokenIssuer tokens, params (string Name, string Value)[] answer) => QueryHelpers.AddQueryString(asked.RedirectUri,
        [.. answer.Select(field => KeyValuePair.Create(field.Name, (string?)field.Value)), KeyValuePair.Create("state", asked.State), KeyValuePair.Create<string, string?>("iss", tokens.Issuer)]);
}
