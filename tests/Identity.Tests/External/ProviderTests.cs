using System.Net.Http.Json;
using OpenReadings.Identity.Tests.Factors;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests.External;

/// <summary>Signing in by an account elsewhere: at another identity service of ours, and at issuers that say what Google and LINE say.</summary>
public sealed class ProviderTests(ExternalService service) : IClassFixture<ExternalService>
{
    private const string Connections = "/identity/connections", Proof = "/identity/provider-proof";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private FakeProvider Fake => service.Fake;

    [Fact]
    public async Task A_person_of_another_installation_makes_an_account_with_it_and_comes_back_by_it()
    {
        var (app, there) = (await App.MadeAsync(service), await Person.SignedUpAsync(service.Other));
        using var browser = new Browser(service);
        using var elsewhere = new Browser(service.Other);
        await browser.AskAsync(app.Request());
        Assert.Contains("Sign in with Home", browser.Html, StringComparison.Ordinal);
        await browser.GetAsync(LinkTo(browser, "home"));
        await ThroughAsync(browser, elsewhere, there);
        Assert.Contains("<h1>You are new here</h1>", browser.Html, StringComparison.Ordinal);
        Assert.Contains($"value=\"{there.Email}\"", browser.Html, StringComparison.Ordinal);        // not proven: another installation says what it likes
        await browser.SendAsync(("decision", "make"), ("name", "Ada"));
        // Signed in, and where the application had sent them.
        Assert.Contains("<h1>Let Sleep lab in?</h1>", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "allow"));
        var tokens = await (await app.TokensAsync(browser.LeftWith["code"])).JsonAsync();
        var ada = Guid.Parse(tokens.Text("id_token").Claims().Text("sub"));
        Assert.NotEqual(there.AccountId, ada);
        Assert.Equal([(there.Email, "Ada", false, "fed")], await service.SqlAsync<(string, string, bool, string)>(
            "select email, name, email_verified_at is not null, methods from accounts join logins using (user_id) where user_id = @ada and client_id = 'browser'", new { ada }));
        Assert.Null(browser.Cookie("or_proof"));

        // Another browser, no question any more. What was there before ends.
        using var second = new Browser(service);
        var bob = await Person.SignedUpAsync(service);
        await second.GetAsync(Connections);
        await second.SignInAsync(bob);
        await second.GetAsync("/identity/providers/home");
        await ThroughAsync(second, elsewhere, null);
        Assert.Contains(there.Email, second.Html, StringComparison.Ordinal);
        Assert.Contains("used last on", second.Html, StringComparison.Ordinal);
        Assert.Equal(["signed-out"], await service.SqlAsync<string>("select ended_because from logins where user_id = @AccountId and client_id = 'browser'", new { bob.AccountId }));
        // Who never chose a password is asked for none, and adds a passkey.
        await second.GetAsync("/identity/passkeys");
        Assert.Contains("add-passkey", second.Html, StringComparison.Ordinal);
        Assert.DoesNotContain("type=\"password\"", second.Html, StringComparison.Ordinal);
        Assert.Equal(["provider-connected", "signed-in", "application-allowed", "signed-in"], await service.SqlAsync<string>("select action from audit where user_id = @ada order by entry_id", new { ada }));
    }

    [Fact]
    public async Task What_google_says_of_an_address_counts_but_connects_nobody_without_the_password()
    {
        var ada = await Person.SignedInAsync(service);
        Comes("google", ada.Email, verified: true);
        using var browser = new Browser(service);
        await GoAsync(browser, "google");
        // Somebody has that address already. A stranger's word for it, even a true one, opens nothing.
        await browser.SendAsync(("decision", "make"));
        Assert.Equal((Conflict, true), (browser.Status, browser.Html.Contains("<h1>Connect Google?</h1>", StringComparison.Ordinal)));
        await browser.SendAsync(("decision", "connect"), ("email", ada.Email), ("password", "Not-for-any-log-0"));
        Assert.Equal(Unauthorized, browser.Status);
        await GoAsync(browser, "google");
        Assert.Contains("You are new here", browser.Html, StringComparison.Ordinal);
        await browser.GetAsync($"{Proof}?connect=yes");
        await browser.SendAsync(("decision", "connect"), ("email", ada.Email), ("password", ada.Password));
        Assert.Contains("not used since", browser.Html, StringComparison.Ordinal);
        Fake.GivesRefreshToken = false;
        await GoAsync(browser, "google");
        Fake.GivesRefreshToken = true;
        Assert.Contains("used last on", browser.Html, StringComparison.Ordinal);

        var mine = (await (await ada.Http.GetAsync("/identity/v1/me/external-identities", Ct)).JsonAsync()).GetProperty("external_identities")[0];
        Assert.Equal(("google", service.Fake.Issuer, ada.Email), (mine.Text("provider"), mine.Text("issuer"), mine.Text("email")));
        Assert.False(mine.TryGetProperty("tokens", out _));
        // With a password there is another way in. Google is told that its tokens are needed no more: also the one that it gave only once.
        using (var gone = await ada.Http.DeleteAsync("/identity/v1/me/external-identities/google", Ct)) Assert.Equal(NoContent, gone.StatusCode);
        await RevokedAsync(mine.Text("subject"));
        await ada.Http.DeleteAsync("/identity/v1/me/external-identities/google", Ct).RefusedAsync(NotFound, "external-identity-not-found");
        await GoAsync(browser, "google");
        Assert.Contains("You are new here", browser.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_account_made_by_a_proven_address_is_confirmed_has_no_password_and_keeps_its_only_way_in()
    {
        var email = $"{Guid.NewGuid():N}@example.org";
        Comes("google", email, verified: true);
        using var browser = new Browser(service);
        await GoAsync(browser, "google");
        Assert.DoesNotContain("name=\"email\"", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "make"), ("email", "somebody.else@example.org"));
        Assert.Contains(email, browser.Html, StringComparison.Ordinal);
        var (ada, isVerified, isChosen) = (await service.SqlAsync<(Guid, bool, bool)>("select user_id, email_verified_at is not null, is_chosen from accounts join passwords using (user_id) where email = @email", new { email })).Single();
        Assert.Equal((true, false), (isVerified, isChosen));
        // What the operator has taken away is no way in.
        await service.SqlAsync("insert into external_identities (user_id, issuer, subject, provider) values (@ada, 'https://gone.example', @email, 'gone')", new { ada, email });
        await browser.SendAsync();
        Assert.Equal((Conflict, true), (browser.Status, browser.Html.Contains("It is your only way in", StringComparison.Ordinal)));

        // A password, chosen by mail, is another one. And the account can be left.
        var token = $"om_{Guid.NewGuid():N}";
        await service.SqlAsync("insert into mail_tokens (user_id, token_hash, purpose, email, expires_at) values (@ada, sha256(convert_to(@token, 'UTF8')), 'reset', @email, now() + interval '1 hour')", new { ada, token, email });
        using (var reset = await service.PostAsync("password-resets/confirm", new { token, new_password = Person.FirstPassword })) Assert.Equal(OK, reset.StatusCode);
        using var login = await service.PostAsync("logins", new { email, password = Person.FirstPassword });
        var http = service.WithToken((await login.TokensAsync()).AccessToken);
        Assert.True((await (await http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("has_password").GetBoolean());
        using (var left = await http.SendAsync(new(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password = Person.FirstPassword }) }, Ct)) Assert.Equal(NoContent, left.StatusCode);
        await RevokedAsync((string)Fake.Person["sub"]!);
        Assert.Empty(await service.SqlAsync<string>("select subject from external_identities where user_id = @ada", new { ada }));
    }

    [Fact]
    public async Task Line_signs_with_the_channel_secret_and_verifies_no_address()
    {
        var email = $"{Guid.NewGuid():N}@example.org";
        Comes("line", email, verified: true);
        using var browser = new Browser(service);
        await GoAsync(browser, "line");
        Assert.Contains($"value=\"{email}\"", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "make"), ("email", "no address"));
        Assert.Equal(BadRequest, browser.Status);
        await browser.SendAsync(("decision", "make"), ("email", email));
        Assert.Contains("LINE", browser.Html, StringComparison.Ordinal);
        Assert.False((await service.SqlAsync<bool>("select email_verified_at is not null from accounts where email = @email", new { email })).Single());
        Assert.Equal(["verify"], await service.SqlAsync<string>("select kind from mail_outbox join accounts using (user_id) where email = @email union select purpose from mail_tokens join accounts using (user_id) where accounts.email = @email", new { email }));
    }

    [Fact]
    public async Task A_browser_that_was_left_alone_connects_nothing_and_is_asked_anew_over_there_too()
    {
        var ada = await Person.SignedUpAsync(service);
        using var browser = new Browser(service);
        await browser.GetAsync(Connections);
        await browser.SignInAsync(ada);
        Comes("work", "left-alone@work.example");
        var link = LinkTo(browser, "work");
        await GoAsync(browser, "work", link);
        Assert.DoesNotContain("max_age", Fake.LastRequest.Keys);
        await service.AgeAsync(ada);
        await GoAsync(browser, "work", link);
        Assert.Equal("900", Fake.LastRequest["max_age"]);
        await browser.SendAsync(("decision", "connect"), ("password", ada.Password));
        Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
        Assert.Empty(await service.SqlAsync<string>("select issuer from external_identities where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task One_word_of_a_provider_tries_one_address()
    {
        var ada = await Person.SignedUpAsync(service);
        Comes("line", ada.Email);
        using var browser = new Browser(service);
        await GoAsync(browser, "line");
        await browser.SendAsync(("decision", "make"), ("email", ada.Email));
        Assert.Equal((Conflict, true), (browser.Status, browser.Html.Contains("No new account can have this address", StringComparison.Ordinal)));
        await browser.GetAsync(Proof);
        Assert.Equal(BadRequest, browser.Status);
    }

    [Fact]
    public async Task Who_is_signed_in_connects_with_the_password_hears_of_it_and_undoes_it()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("update accounts set email_verified_at = now() where user_id = @AccountId", new { ada.AccountId });
        using var browser = new Browser(service);
        await browser.GetAsync(Connections);
        await browser.SignInAsync(ada);
        Assert.Contains("Nothing is connected yet", browser.Html, StringComparison.Ordinal);
        Comes("work", "ada@work.example", verified: true);
        await GoAsync(browser, "work", LinkTo(browser, "work"));
        Assert.Contains("<h1>Connect Work?</h1>", browser.Html, StringComparison.Ordinal);
        var page = browser.Html;
        await browser.PostAsync(Proof, new() { ["decision"] = "connect", ["password"] = ada.Password, ["form_token"] = "x" });
        Assert.Equal(Forbidden, browser.Status);
        await browser.GetAsync(Proof);
        await browser.SendAsync(("decision", "connect"), ("password", "Not-for-any-log-0"));
        Assert.Equal(Forbidden, browser.Status);
        await browser.SendAsync(("decision", "connect"), ("password", ada.Password));
        Assert.Contains("ada@work.example", browser.Html, StringComparison.Ordinal);
        // Once only, also by the same form.
        await browser.GetAsync(Proof);
        Assert.Contains("too long, or was finished", browser.Html, StringComparison.Ordinal);
        Assert.Equal([(false, "factor-added")], await service.SqlAsync<(bool, string)>(
            """
            select tokens is not null, kind from external_identities join
                (select user_id, kind from mail_outbox union select user_id, 'factor-added' from mail_tokens where purpose = 'undo') mails using (user_id)
            where kind = 'factor-added' and user_id = @AccountId
            """, new { ada.AccountId }));

        // Bob has one of Work, too; the same subject serves one of them, and one subject of an issuer serves each.
        var bob = await Person.SignedUpAsync(service);
        using var second = new Browser(service);
        await second.GetAsync(Connections);
        await second.SignInAsync(bob);
        await GoAsync(second, "work", LinkTo(second, "work"));
        Assert.Equal(Conflict, second.Status);
        Comes("work", "bob@work.example");
        await GoAsync(browser, "work", "/identity/providers/work?connect=yes");
        await browser.SendAsync(("decision", "connect"), ("password", ada.Password));
        Assert.Equal(Conflict, browser.Status);

        var token = $"om_{Guid.NewGuid():N}";
        await service.SqlAsync(
            """
            insert into mail_tokens (user_id, token_hash, purpose, email, created_at, expires_at)
            select user_id, sha256(convert_to(@token, 'UTF8')), 'undo', email, now() - interval '1 minute', now() + interval '1 day' from accounts where user_id = @AccountId
            """, new { token, ada.AccountId });
        using (var undone = await service.PostAsync("email-changes/undo", new { token })) Assert.Equal(NoContent, undone.StatusCode);
        Assert.Empty(await service.SqlAsync<string>("select subject from external_identities where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task A_connection_does_not_slip_in_behind_a_new_password()
    {
        var ada = await Person.SignedUpAsync(service);
        using var browser = new Browser(service);
        await browser.GetAsync(Connections);
        await browser.SignInAsync(ada);
        Comes("work", null);
        await GoAsync(browser, "work", LinkTo(browser, "work"));
        // The old password is checked while the new one is being stored.
        var resetting = service.SqlAsync<int>(
            """
            select 1 from accounts where user_id = @AccountId for no key update;
            select pg_sleep(3);
            update logins set ended_at = now(), ended_because = 'password-changed' where user_id = @AccountId
            """, new { ada.AccountId });
        await UntilAsync(async () => (await service.SqlAsync<int>("select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'")).Count > 0);
        await browser.SendAsync(("decision", "connect"), ("password", ada.Password));
        await resetting;
        Assert.DoesNotContain("not used since", browser.Html, StringComparison.Ordinal);
        Assert.Empty(await service.SqlAsync<string>("select subject from external_identities where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task A_second_factor_and_a_disabled_account_count_here_as_well()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        await service.SqlAsync("insert into external_identities (user_id, issuer, subject, provider) values (@AccountId, @Issuer, @subject, 'work')", new { mine.Person.AccountId, Fake.Issuer, subject = Comes("work", null) });
        using var browser = new Browser(service);
        await GoAsync(browser, "work");
        Assert.Contains("asks for a code", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "code"), ("code", "000000"));
        Assert.Equal(Unauthorized, browser.Status);
        Assert.Null(browser.Cookie("or_session"));
        await browser.SendAsync(("decision", "code"), ("code", await mine.NextAsync()));
        Assert.Contains(mine.Person.Email, browser.Html, StringComparison.Ordinal);
        Assert.Contains("fed otp", await service.SqlAsync<string>("select methods from logins where user_id = @AccountId", new { mine.Person.AccountId }));

        await service.SqlAsync("update accounts set disabled_at = now() where user_id = @AccountId", new { mine.Person.AccountId });
        using var again = new Browser(service);
        await GoAsync(again, "work");
        Assert.Equal((Forbidden, null), (again.Status, again.Cookie("or_session")));
    }

    [Fact]
    public async Task Who_signed_up_with_anothers_address_keeps_no_account_elsewhere_in_it()
    {
        // Mallory waits in Ada's address with an account elsewhere of his own.
        var mallory = await Person.SignedUpAsync(service);
        await service.SqlAsync("insert into external_identities (user_id, issuer, subject, provider) values (@AccountId, @Issuer, @subject, 'work')", new { mallory.AccountId, Fake.Issuer, subject = Comes("work", null) });
        var token = $"om_{Guid.NewGuid():N}";
        await service.SqlAsync(
            "insert into mail_tokens (user_id, token_hash, purpose, email, expires_at) values (@AccountId, sha256(convert_to(@token, 'UTF8')), 'reset', @Email, now() + interval '1 hour')", new { mallory.AccountId, token, mallory.Email });
        using (var reset = await service.PostAsync("password-resets/confirm", new { token, new_password = "Not-for-any-log-ada-1" })) Assert.Equal(OK, reset.StatusCode);
        using var browser = new Browser(service);
        await GoAsync(browser, "work");
        Assert.Contains("You are new here", browser.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_are_sealed_for_person_and_issuer_and_change_keys_with_the_ring()
    {
        var ada = await Person.SignedUpAsync(service);
        Comes("google", $"{Guid.NewGuid():N}@example.org", verified: true);
        using var browser = new Browser(service);
        await GoAsync(browser, "google");
        await browser.GetAsync($"{Proof}?connect=yes");
        var waiting = (await service.SqlAsync<byte[]>("select content from external_proofs")).Select(Convert.ToHexString);
        await browser.SendAsync(("decision", "connect"), ("email", ada.Email), ("password", ada.Password));
        var kept = Convert.ToHexString((await service.SqlAsync<byte[]>("select tokens from external_identities where user_id = @AccountId", new { ada.AccountId })).Single());
        foreach (var box in waiting.Append(kept)) Assert.DoesNotContain(Convert.ToHexString("not-for-any-log"u8), box, StringComparison.Ordinal);
        // As another person's they open nothing: nothing is told to Google.
        var bob = await Person.SignedInAsync(service);
        await service.SqlAsync("update external_identities set user_id = @bob where user_id = @ada", new { ada = ada.AccountId, bob = bob.AccountId });
        using (var gone = await bob.Http.DeleteAsync("/identity/v1/me/external-identities/google", Ct)) Assert.Equal(NoContent, gone.StatusCode);
        await UntilAsync(() => service.Log.Lines.Any(line => line.Contains("google was not told", StringComparison.Ordinal)));
        Assert.DoesNotContain($"not-for-any-log-refresh-{Fake.Person["sub"]}", Fake.Revoked);
    }

    [Fact]
    public async Task A_real_browser_goes_all_the_way_on_pages_for_everybody()
    {
        var ada = await Person.SignedUpAsync(service);
        await using var window = new BrowserWithAuthenticator();
        Comes("work", $"{Guid.NewGuid():N}@example.org");
        var seen = await window.OpenAsync(ExternalService.Origin, service.Address, Connections);
        Assert.Empty(await window.InspectAsync("sign-in-with-providers"));
        await window.FollowAsync("Sign in with Work", "You are new here");
        Assert.Empty(await window.InspectAsync("provider-new"));
        await window.FollowAsync("I have an account here: connect it", "Sign in to your account here once");
        Assert.Empty(await window.InspectAsync("provider-connect"));
        await window.FillAsync("E-mail address", ada.Email);
        await window.FillAsync("Password", ada.Password);
        seen = await window.PressAsync("Connect", "Your accounts elsewhere");
        Assert.Contains("not used since", seen.Text("text"), StringComparison.Ordinal);
        Assert.Empty(await window.InspectAsync("connections"));
        Comes("line", null);
        Fake.Person["sub"] = "another";
        await service.SqlAsync("delete from external_identities where user_id = @AccountId", new { ada.AccountId });
        await window.GoAsync($"{ExternalService.Origin}{Connections}");
        await window.FollowAsync("LINE", "will sign you in here as");
        Assert.Empty(await window.InspectAsync("provider-connect-signed-in"));
        await window.FillAsync("Password", ada.Password);
        await window.PressAsync("Connect", "not used since");
        seen = await window.PressAsync("Disconnect", "Nothing is connected yet");
        Assert.Empty(seen.GetProperty("complaints").EnumerateArray());

        await service.SqlAsync("insert into external_identities (user_id, issuer, subject, provider) values (@AccountId, @Issuer, 'another', 'line')", new { ada.AccountId, Fake.Issuer });
        await service.SqlAsync("insert into totp (user_id, secret, sealed_with, confirmed_at) values (@AccountId, 'x', 'x', now())", new { ada.AccountId });
        await window.ForgetAsync();
        await window.GoAsync($"{ExternalService.Origin}{Connections}");
        await window.FollowAsync("Sign in with LINE", "One thing more");
        Assert.Empty(await window.InspectAsync("provider-code"));
    }

    [Fact]
    public async Task A_provider_that_is_away_or_unknown_is_said_on_a_page()
    {
        using var browser = new Browser(service);
        await browser.GetAsync("/identity/providers/away");
        Assert.Equal((BadGateway, true), (browser.Status, browser.Html.Contains("does not answer", StringComparison.Ordinal)));
        await browser.GetAsync("/identity/providers/nobody");
        Assert.Equal(NotFound, browser.Status);
        await browser.GetAsync("/identity/providers/nobody/callback");
        Assert.Equal(NotFound, browser.Status);
        await browser.GetAsync(Proof);
        Assert.Equal(BadRequest, browser.Status);
    }

    /// <summary>Somebody new comes from the made-up issuer next: their subject.</summary>
    private string Comes(string provider, string? email, bool? verified = null)
    {
        var subject = Guid.NewGuid().ToString("N");
        Fake.Person = new() { ["sub"] = subject, ["email"] = email, ["email_verified"] = verified, ["hd"] = "example.org", ["name"] = "Ada" };
        foreach (var missing in Fake.Person.Where(claim => claim.Value is null).Select(claim => claim.Key).ToList()) Fake.Person.Remove(missing);
        (Fake.Info, Fake.Lie) = ([], _ => { });
        Fake.Signs = provider == "line" ? claims => FakeProvider.Signed(claims, "HS256", content => FakeProvider.Hs256(FakeProvider.ClientSecret, content)) : null;
        return subject;
    }

    private async Task GoAsync(Browser browser, string provider, string? link = null)
    {
        await browser.GetAsync(link ?? $"/identity/providers/{provider}");
        await browser.GetAsync(new Uri(Fake.Answer(browser.Left!)).PathAndQuery);
    }

    // From us to the other installation, where the person signs in and says yes where they are asked, and back.
    private static async Task ThroughAsync(Browser browser, Browser elsewhere, Person? there)
    {
        await elsewhere.GetAsync(new Uri(browser.Left!).PathAndQuery);
        if (there is not null)
        {
            await elsewhere.SignInAsync(there);
            await elsewhere.SendAsync(("decision", "allow"));
        }
        await browser.GetAsync(new Uri(elsewhere.Left!).PathAndQuery);
    }

    private static string LinkTo(Browser browser, string provider) => System.Net.WebUtility.HtmlDecode(
        System.Text.RegularExpressions.Regex.Match(browser.Html, $"href=\"(/identity/providers/{provider}[^\"]*)\"").Groups[1].Value);

    private Task RevokedAsync(string subject) => UntilAsync(() => Fake.Revoked.Contains($"not-for-any-log-refresh-{subject}"));
}
