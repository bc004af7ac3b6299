using System.Globalization;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.External;

/// <summary>
/// Signs a person in by what a provider says of them. An account elsewhere that nobody here has connected signs nobody in, whatever its address:
/// its person makes an account, or proves to be the one of an account that there is. A second factor is asked for as with a password.
/// </summary>
public sealed class SignInWithProvider(
    Database database, BrowserSession sessions, Page page, Sealer sealer, Providers providers, ProviderTokens tokens, Credentials credentials, PasswordAgain password, PasswordHasher passwords,
    SecondFactor second, IConfiguration config, TimeProvider clock, ILogger<SignInWithProvider> log)
{
    private const string ProofPath = "/identity/provider-proof", Methods = "fed", TooOld = "That took too long, or was finished already. Start again.";
    private bool IsInvitationOnly => SignUp.IsByInvitationOnly(config);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/providers/{provider}", BeginAsync).ExcludeFromDescription();
        routes.MapGet("/providers/{provider}/callback", async Task<IResult> (string provider, HttpContext http, Providers providers, Page page) =>
        {
            if (providers.Find(provider) is not { } known) return await NoProviderAsync(http, page);
            await ProviderHandler.HandleAsync(http, known);
            return Results.Empty;
        }).ExcludeFromDescription();
        routes.MapGet("/provider-proof", (HttpContext http, SignInWithProvider provider, CancellationToken ct, string? connect) => provider.GoOnAsync(http, connect is not null, ct)).ExcludeFromDescription();
        routes.MapPost("/provider-proof", (HttpContext http, SignInWithProvider provider, CancellationToken ct) => provider.DecideAsync(http, ct)).DisableAntiforgery().ExcludeFromDescription();
    }

    public static string PathTo(string provider, string next) => $"/identity/providers/{provider}?return={Uri.EscapeDataString(next)}";

    private static Task<IResult> NoProviderAsync(HttpContext http, Page page) => page.ShowErrorAsync(http, "Nobody signs in this way here.", 404);

    private static async Task<IResult> BeginAsync(
        string provider, HttpContext http, Providers providers, BrowserSession sessions, Page page, TimeProvider clock, ILogger<SignInWithProvider> log, string? @return, string? connect)
    {
        if (providers.Find(provider) is not { } known) return await NoProviderAsync(http, page);
        // The framework's own cookies could be set by another host of the domain, with an answer that somebody else was given. This one could not.
        var properties = new OpenIdConnectChallengeProperties { RedirectUri = ProofPath, Items = { ["browser"] = sessions.FormTokenFor(http), ["return"] = SignInOnPage.IsOurs(@return) ? @return : ConnectionsOnPage.Path } };
        if (connect is not null) properties.Items["connect"] = "yes";
        // Whoever comes because their login is too old for what they want must be asked there, too, and not be known from this morning.
        var recent = TimeSpan.FromSeconds(RecentProof.GoodForSeconds);
        if (await sessions.FindAsync(http, http.RequestAborted) is { } who && clock.GetUtcNow() - who.AuthenticatedAt > recent) properties.MaxAge = recent;
        try
        {
            await http.ChallengeAsync(known.Scheme, properties);
            return Results.Empty;
        }
        catch (Exception e) when (!http.Response.HasStarted && !http.RequestAborted.IsCancellationRequested)
        {
            log.LogWarning("{Provider} cannot be asked who somebody is: {Reason}", known.Name, e.Message);
            return await page.ShowErrorAsync(http, $"{known.Title} does not answer. Try again, or sign in another way.", 502);
        }
    }

    /// <summary>The provider has said who it is, and all of it was right.</summary>
    internal async Task KeepProofAsync(TicketReceivedContext answered)
    {
        answered.HandleResponse();
        var (http, claims, said, now) = (answered.HttpContext, answered.Principal!, answered.Properties!, clock.GetUtcNow());
        var provider = providers.All.First(one => one.Scheme == answered.Scheme.Name);
        string? Text(string name, int longest) => claims.FindFirstValue(name) is { Length: > 0 } value && value.Length <= longest && !value.Contains('\0', StringComparison.Ordinal) ? value : null;
        if (!sessions.IsFormTokenOf(http, said.Items["browser"]))
        {
            await SayAsync(http, $"It was not this browser that asked {provider.Title}, or you have signed in anew since. Go back and try again.", 401);
            return;
        }
        if (Text("sub", 255) is not { } subject)
        {
            await SayAsync(http, $"{provider.Title} did not say who you are.", 502);
            return;
        }
        var (email, name, zone) = (Text("email", EmailAddress.Longest), Text("name", 200), Text("zoneinfo", 64));
        var isVerified = string.Equals(claims.FindFirstValue("email_verified"), "true", StringComparison.OrdinalIgnoreCase);
        var at = long.TryParse(claims.FindFirstValue("auth_time"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < now.ToUnixTimeSeconds() ? DateTimeOffset.FromUnixTimeSeconds(seconds) : now;
        var given = said.GetTokens().Where(token => token.Name != "id_token").ToDictionary(token => token.Name, token => token.Value);
        await ExternalProof.KeepAsync(http, database, sessions, sealer, new(provider.Name, provider.Issuer, subject, email, isVerified && provider.Proves(email, claims.FindFirstValue("hd")),
            ProfileRules.BrokenByName(name).Any() ? null : name, ProfileRules.BrokenByTimeZone(zone).Any() ? null : zone, at, said.Items["return"]!,
            said.Items.ContainsKey("connect"), given.ContainsKey("access_token") ? JsonSerializer.Serialize(given) : null));
        await new SeeOther(ProofPath).ExecuteAsync(http);
    }

    /// <summary>The person said no there, the browser is not the one that asked, or the provider said something that does not hold.</summary>
    internal async Task RefuseAsync(RemoteFailureContext failed)
    {
        failed.HandleResponse();
        log.LogInformation("{Provider} signed nobody in: {Reason}", failed.Scheme.Name, ReasonOf(failed.Failure));
        await SayAsync(failed.HttpContext, $"{failed.Scheme.DisplayName} did not sign you in. Go back to where you came from, and try again or another way.", 401);
    }

    private async Task SayAsync(HttpContext http, string problem, int status) => await (await page.ShowErrorAsync(http, problem, status)).ExecuteAsync(http);

    // What an operator can look up, and nothing that a stranger can write: an error of the protocol by its name, a token that does not hold by the number that
    // the library has for it.
    private static string ReasonOf(Exception? failure) => failure switch
    {
        OpenIdConnectProtocolException { Data: var data } when data["error"] is string { Length: < 40 } error && error.All(c => char.IsAsciiLetter(c) || c == '_') => error,
        AuthenticationFailureException or HttpRequestException => failure.Message,
        SecurityTokenException => $"{failure.GetType().Name} {failure.Message.Split(':')[0]}",
        _ => failure?.GetType().Name ?? "no reason",
    };

    private async Task<IResult> GoOnAsync(HttpContext http, bool wantsToConnect, CancellationToken ct)
    {
        if (await ExternalProof.FindAsync(http, database, sessions, sealer, providers, ct) is not { } proof) return await page.ShowErrorAsync(http, TooOld);
        var who = await sessions.FindAsync(http, ct);
        if (await ExternalIdentity.FindAsync(database, proof, ct) is { } found)
            return proof.Connects && found.UserId != who?.UserId ? await page.ShowErrorAsync(http, "This account is connected with another account here. Sign in there to disconnect it.", 409)
                : proof.Connects ? new SeeOther(proof.Return)
                : await SignInAsync(http, proof, found, who, null, ct);
        return proof.Connects || wantsToConnect || IsInvitationOnly ? await AskToConnectAsync(http, proof, who, ct) : await AskToMakeAsync(http, proof, ct);
    }

    private async Task<IResult> DecideAsync(HttpContext http, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        if (await ExternalProof.FindAsync(http, database, sessions, sealer, providers, ct) is not { } proof) return await page.ShowErrorAsync(http, TooOld);
        if (!sessions.IsOurs(http, form)) return await page.ShowErrorAsync(http, "The form was not from here, or you have signed in anew since. Go back and try again.", 403);
        var who = await sessions.FindAsync(http, ct);
        var found = await ExternalIdentity.FindAsync(database, proof, ct);
        return form["decision"] switch
        {
            "code" when found is not null && !proof.Connects => await SignInAsync(http, proof, found, who, form["code"] ?? "", ct),
            "connect" when found is null && who is not null => await ConnectAsync(http, proof, who, form, ct),
            "connect" when found is null => await ConnectAndSignInAsync(http, proof, form, ct),
            "make" when found is null && !proof.Connects && !IsInvitationOnly => await MakeAsync(http, proof, form, who, ct),
            _ => await page.ShowErrorAsync(http, TooOld),
        };
    }

    private async Task<IResult> SignInAsync(HttpContext http, ExternalProof proof, ExternalIdentity.Found found, SignedIn? before, string? code, CancellationToken ct)
    {
        if (found.IsDisabled) return await page.ShowErrorAsync(http, "This account cannot sign in.", 403);
        var (used, refusal) = await second.AskAsync(found.UserId, code, http, ct);
        if (refusal is not null) return await AskForCodeAsync(http, proof, code is null ? null : refusal, ct);
        await using var db = await database.BeginAsync(found.UserId, ct);
        // Before the connection, as whoever takes that away: two that lock in another order would wait for each other.
        await db.ExecuteAsync("select from accounts for share");
        if (!await ExternalProof.TakeAsync(db, http, sessions) || !await ExternalIdentity.UseAsync(db, proof, found.UserId, tokens)) return await page.ShowErrorAsync(http, TooOld);
        var hash = (await db.ScalarAsync<string>("select hash from passwords"))!;
        return await BeginLoginAsync(http, db, proof, new(found.UserId, hash, used is null ? Methods : $"{Methods} otp", At: proof.At), before, ct);
    }

    /// <summary>With the account that is signed in at this browser: its password again, where it has one, and a recent proof.</summary>
    private async Task<IResult> ConnectAsync(HttpContext http, ExternalProof proof, SignedIn who, Form form, CancellationToken ct)
    {
        if (await HasPasswordAsync(who.UserId, ct))
        {
            if ((await password.CheckAsync(who.UserId, who.LoginId, form["password"], http, ct)).Refusal is { } refusal) return await AskToConnectAsync(http, proof, who, ct, refusal);
        }
        await using var db = await database.BeginAsync(who.UserId, ct);
        if (!await db.HoldRecentProofAsync(who.LoginId)) return SignInOnPage.First(ConnectionsOnPage.Path, who.Email);
        if (!await ExternalProof.TakeAsync(db, http, sessions)) return await page.ShowErrorAsync(http, TooOld);
        if (!await AddAsync(db, http, proof, who.UserId, who.LoginId)) return await page.ShowErrorAsync(http, Taken(proof), 409);
        await db.CommitAsync();
        sessions.ForgetProof(http);
        return new SeeOther(proof.Return);
    }

    private async Task<IResult> ConnectAndSignInAsync(HttpContext http, ExternalProof proof, Form form, CancellationToken ct)
    {
        var (person, refusal) = await credentials.CheckAsync(form["email"] ?? "", form["password"] ?? "", form["code"], http, ct);
        if (person is null) return await AskToConnectAsync(http, proof, null, ct, refusal, form["email"]);
        await using var db = await database.BeginAsync(person.UserId, ct);
        if (!await ExternalProof.TakeAsync(db, http, sessions)) return await page.ShowErrorAsync(http, TooOld);
        if (!await AddAsync(db, http, proof, person.UserId, null)) return await page.ShowErrorAsync(http, Taken(proof), 409);
        return await BeginLoginAsync(http, db, proof, person, null, ct);
    }

    private async Task<IResult> MakeAsync(HttpContext http, ExternalProof proof, Form form, SignedIn? before, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(proof.IsEmailProven ? proof.Email : form["email"], out var email)) return await AskToMakeAsync(http, proof, ct, "The address is missing, malformed or too long.", form["email"]);
        if (ProfileRules.BrokenByName(form["name"]).FirstOrDefault() is { } broken) return await AskToMakeAsync(http, proof, ct, broken.Detail, form["email"]);
        var hash = await passwords.HashNobodysAsync(ct);
        var account = SignUp.New(email, form["name"], proof.TimeZone, clock);
        await using var db = await database.BeginAsync(account.AccountId, ct);
        if (!await SignUp.MakeAsync(db, account, email, hash, proof.IsEmailProven, isChosen: false))
        {
            // Whoever has not proven the address begins anew after each one that they try, as they do at sign-up.
            if (!proof.IsEmailProven) await ExternalProof.TakeAsync(db, http, sessions);
            await db.CommitAsync();
            if (!proof.IsEmailProven) return await page.ShowErrorAsync(http, $"No new account can have this address. If you have one here, sign in with {TitleOf(proof)} again, and connect it.", 409);
            return await AskToConnectAsync(http, proof, null, ct, Problems.Of(409, "email-taken", "No new account can have this address. If you have one here, sign in to it below, once, to connect it."), email.Text);
        }
        if (!await ExternalProof.TakeAsync(db, http, sessions) || !await ExternalIdentity.AddAsync(db, proof, account.AccountId, tokens)) return await page.ShowErrorAsync(http, TooOld);
        await db.NoteAsync(http, Entry.ProviderConnected, null, new { proof.Provider });
        return await BeginLoginAsync(http, db, proof, new(account.AccountId, hash, Methods, At: proof.At), before, ct);
    }

    // Its person hears of it, and undoes it if it was somebody else.
    private async Task<bool> AddAsync(UserTransaction db, HttpContext http, ExternalProof proof, Guid person, Guid? loginId)
    {
        await db.ExecuteAsync("select from accounts for no key update");
        await db.MailOfFactorAsync();
        if (!await ExternalIdentity.AddAsync(db, proof, person, tokens)) return false;
        await db.NoteAsync(http, Entry.ProviderConnected, loginId, new { proof.Provider });
        return true;
    }

    private string Taken(ExternalProof proof) => $"{TitleOf(proof)} is connected already: this account of it with another account here, or another account of it with yours. Disconnect that first.";

    private async Task<IResult> BeginLoginAsync(HttpContext http, UserTransaction db, ExternalProof proof, ProvenPerson person, SignedIn? before, CancellationToken ct)
    {
        if (await NewLogin.BeginAsync(db, http, person, BrowserSession.Client, SignInOnPage.LoginScope, clock.GetUtcNow()) is not { } loginId) return await page.ShowErrorAsync(http, TooOld);
        await sessions.BeginAsync(db, http, loginId);
        await db.CommitAsync();
        sessions.ForgetProof(http);
        // What this browser was before must not live on behind its back.
        if (before is not null) await sessions.EndAsync(before, ct);
        return new SeeOther(proof.Return);
    }

    private async Task<bool> HasPasswordAsync(Guid person, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        return await db.ScalarAsync<bool>("select is_chosen from passwords");
    }

    private string TitleOf(ExternalProof proof) => providers.Find(proof.Provider)?.Title ?? proof.Provider;

    // A browser holds the redirects that follow a form to the form's page: also the one to the application, where nothing more has to be asked.
    private async Task<IResult> AskToMakeAsync(HttpContext http, ExternalProof proof, CancellationToken ct, string? problem = null, string? email = null) => await page.ShowAsync<MakeByProviderPage>(http, new()
    {
        ["FormToken"] = sessions.FormTokenFor(http), ["Provider"] = TitleOf(proof), ["Email"] = email ?? proof.Email, ["IsEmailProven"] = proof.IsEmailProven, ["Name"] = proof.Name, ["Problem"] = problem,
    }, problem is null ? 200 : 400, await Authorize.SendsToAsync(proof.Return, database, ct));

    private async Task<IResult> AskToConnectAsync(HttpContext http, ExternalProof proof, SignedIn? who, CancellationToken ct, ProblemHttpResult? problem = null, string? email = null) =>
        await page.ShowAsync<ConnectProviderPage>(http, new()
        {
            ["FormToken"] = sessions.FormTokenFor(http), ["Provider"] = TitleOf(proof), ["Theirs"] = proof.Email ?? proof.Name, ["Who"] = who?.Email, ["Email"] = email ?? proof.Email,
            ["AsksForPassword"] = who is null || await HasPasswordAsync(who.UserId, ct), ["Problem"] = problem?.ProblemDetails.Detail,
        }, problem?.StatusCode ?? 200, await Authorize.SendsToAsync(proof.Return, database, ct));

    private async Task<IResult> AskForCodeAsync(HttpContext http, ExternalProof proof, ProblemHttpResult? problem, CancellationToken ct) => await page.ShowAsync<ProviderCodePage>(http,
        new() { ["FormToken"] = sessions.FormTokenFor(http), ["Provider"] = TitleOf(proof), ["Problem"] = problem?.ProblemDetails.Detail }, problem?.StatusCode ?? 200, await Authorize.SendsToAsync(proof.Return, database, ct));
}
