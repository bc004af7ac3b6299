using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Npgsql;
using OpenReadings.Identity.Tests.Factors;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

/// <summary>A token that was stolen, or a browser that was left alone, adds nothing that outlives its login.</summary>
public sealed class ProofTests(IdentityService service)
{
    private const string Route = "/identity/v1/logins/current/proof", Refusal = "insufficient-user-authentication";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_outlives_a_login_takes_a_recent_proof_and_all_else_goes_on()
    {
        var ada = await Person.SignedInAsync(service);
        var app = await App.MadeAsync(service, ada);
        var keyId = (await (await MakeKeyAsync(ada)).JsonAsync()).Text("key_id");
        (string Method, string Path, object? Body)[] all =
        [
            ("POST", "me/api-keys", new { name = "a", scopes = new[] { "readings:read" } }), ("POST", $"me/api-keys/{keyId}/rotate", new { overlap_seconds = 60 }),
            ("POST", "me/applications", new { name = "a", scopes = new[] { "openid" } }), ("POST", $"me/applications/{app.ClientId}/secrets", new { overlap_seconds = 60 }),
            ("PATCH", $"me/applications/{app.ClientId}", new { redirect_uris = new[] { "https://evil.example/" } }), ("POST", "me/pairings", new { client_id = app.ClientId, scopes = new[] { "readings:read" } }),
            ("POST", "me/passkeys/options", new { password = ada.Password }), ("POST", "me/totp", null), ("POST", "me/email", new { new_email = $"{Guid.NewGuid():N}@example.net", password = ada.Password }),
        ];
        async Task<HttpResponseMessage> SendAsync((string Method, string Path, object? Body) one)
        {
            using var request = new HttpRequestMessage(new HttpMethod(one.Method), $"/identity/v1/{one.Path}") { Content = one.Body is null ? null : JsonContent.Create(one.Body) };
            return await ada.Http.SendAsync(request, Ct);
        }
        await AgeAsync(ada);
        var before = await RowsAsync(ada);
        foreach (var one in all)
        {
            using var refused = await SendAsync(one);
            Assert.Contains("error=\"insufficient_user_authentication\"", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
            await Task.FromResult(refused).RefusedAsync(Forbidden, Refusal);
        }
        Assert.Equal(before, await RowsAsync(ada));
        Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        Assert.Equal(OK, (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name = "Ada" }, Ct)).StatusCode);
        Assert.Equal(NoContent, (await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{keyId}", Ct)).StatusCode);
        // New tokens are no proof.
        using (var refreshed = await service.RefreshAsync(ada.Tokens.RefreshToken))
            await service.WithToken((await refreshed.TokensAsync()).AccessToken).PostAsync("/identity/v1/me/totp", null, Ct).RefusedAsync(Forbidden, Refusal);

        using (var proved = await ProveAsync(ada))
        {
            Assert.Equal(OK, proved.StatusCode);
            Assert.InRange((await proved.JsonAsync()).GetProperty("good_until").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(14), DateTimeOffset.UtcNow.AddMinutes(15.5));
        }
        foreach (var one in all.Where(one => !one.Path.EndsWith("/rotate", StringComparison.Ordinal)))
        {
            using var done = await SendAsync(one);
            Assert.True(done.IsSuccessStatusCode, $"{one.Path}: {await done.Content.ReadAsStringAsync(Ct)}");
        }
        Assert.Contains("proved-again", await service.SqlAsync<string>("select action from audit where user_id = @AccountId", new { ada.AccountId }));
        // Of this login and of no other.
        var first = ada.Tokens;
        await AgeAsync(ada);
        await ada.SignInAsync();
        using (var made = await MakeKeyAsync(ada)) Assert.Equal(Created, made.StatusCode);
        await service.WithToken(first.AccessToken).PostAsync("/identity/v1/me/totp", null, Ct).RefusedAsync(Forbidden, Refusal);
    }

    [Fact]
    public async Task Whoever_has_a_second_factor_proves_it_too_also_in_a_login_from_before_it()
    {
        var mine = new AuthenticatorOf(service, await Person.SignedInAsync(service));
        var here = mine.Person.Tokens;
        await mine.Person.SignInAsync();
        var elsewhere = mine.Person.Http;
        await mine.MakeAsync();
        string[] codes;
        using (var confirmed = await service.WithToken(here.AccessToken).PostAsJsonAsync("/identity/v1/me/totp/confirm", new { code = await mine.NextAsync(), password = mine.Person.Password }, Ct))
            codes = AuthenticatorOf.CodesOf(await confirmed.JsonAsync());
        // Where it was turned on it was shown just now.
        using (var made = await service.WithToken(here.AccessToken).PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "a", scopes = new[] { "readings:read" } }, Ct)) Assert.Equal(Created, made.StatusCode);
        await elsewhere.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = mine.Person.Password }, Ct).RefusedAsync(Forbidden, Refusal);
        await MakeKeyAsync(mine.Person).RefusedAsync(Forbidden, Refusal);

        await ProveAsync(mine.Person).RefusedAsync(Forbidden, "second-factor-required");
        await ProveAsync(mine.Person, mine.Wrong()).RefusedAsync(Forbidden, "invalid-code");
        await ProveAsync(mine.Person, await mine.NextAsync(), "Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");
        await MakeKeyAsync(mine.Person).RefusedAsync(Forbidden, Refusal);
        var code = await mine.NextAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ProveAsync(mine.Person, code)));
        Assert.Single(answers, answer => answer.StatusCode == OK);
        using (var made = await MakeKeyAsync(mine.Person)) Assert.Equal(Created, made.StatusCode);

        await AgeAsync(mine.Person);
        await MakeKeyAsync(mine.Person).RefusedAsync(Forbidden, Refusal);
        using (var recovered = await ProveAsync(mine.Person, codes[0])) Assert.Equal(OK, recovered.StatusCode);
        using (var anew = await elsewhere.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = mine.Person.Password }, Ct)) Assert.Equal(OK, anew.StatusCode);
    }

    [Fact]
    public async Task A_password_is_guessed_there_no_more_than_at_sign_in_and_whoever_guesses_there_keeps_nobody_out_here()
    {
        var ada = await Person.SignedInAsync(service);
        Task<HttpResponseMessage> FromAsync(string place, string password)
        {
            var http = ada.Http;
            http.DefaultRequestHeaders.Add("X-Forwarded-For", place);
            return http.PostAsJsonAsync(Route, new { password }, Ct);
        }
        for (var guess = 0; guess < 10; guess++) await FromAsync("203.0.113.7", "Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");
        await FromAsync("203.0.113.7", ada.Password).RefusedAsync(TooManyRequests, "too-many-tries");
        // From everywhere, too; but where she signed in from, she is asked as before, and can sign in from elsewhere.
        await Task.WhenAll(Enumerable.Range(10, 60).Select(i => FromAsync($"203.0.113.{i}", "Not-for-any-log-9")));
        await FromAsync("203.0.113.99", ada.Password).RefusedAsync(TooManyRequests, "too-many-tries");
        using (var proved = await ProveAsync(ada)) Assert.Equal(OK, proved.StatusCode);
        using (var signedIn = await ada.TrySignInAsync(ada.Password, "203.0.113.99")) Assert.Equal(OK, signedIn.StatusCode);
        // Nor does a sign-in that is guessed at keep the owner from proving it.
        await Task.WhenAll(Enumerable.Range(10, 60).Select(i => ada.TrySignInAsync("Not-for-any-log-9", $"198.51.100.{i}")));
        using (var again = await FromAsync("198.51.100.99", ada.Password)) Assert.True(again.StatusCode is OK or TooManyRequests);
        using (var proved = await ProveAsync(ada)) Assert.Equal(OK, proved.StatusCode);
    }

    [Fact]
    public async Task A_browser_that_was_left_alone_lets_nothing_in_before_its_person_signs_in_again()
    {
        var (app, other, ada) = (await App.MadeAsync(service), await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await CodeFlowTests.AllowedAsync(browser, app, ada);
        await browser.AskAsync(other.Request());
        Assert.Contains("Let Sleep lab in?", browser.Html, StringComparison.Ordinal);
        var waiting = browser.Html;
        await AgeAsync(ada);
        await browser.SendAsync(("decision", "allow"));
        Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
        await browser.AskAsync(other.Request());
        Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
        Assert.NotEmpty(waiting);
        // What was let in before goes on without a question.
        await browser.AskAsync(app.Request());
        Assert.Contains("code", browser.LeftWith.Keys);
        await browser.GetAsync("/identity/passkeys");
        Assert.Contains("Sign in again", browser.Html, StringComparison.Ordinal);
        Assert.DoesNotContain("add-passkey", browser.Html, StringComparison.Ordinal);

        var device = await (await other.PostAsync("device-authorizations", ("scope", "readings:write"))).JsonAsync();
        await browser.GetAsync($"/identity/device?user_code={device.Text("user_code")}");
        await browser.SendAsync();
        Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
        await browser.SignInAsync(ada);
        await browser.SendAsync();
        Assert.Contains("Let Sleep lab in?", browser.Html, StringComparison.Ordinal);
        await browser.AskAsync(other.Request());
        await browser.SendAsync(("decision", "allow"));
        Assert.Contains("code", browser.LeftWith.Keys);
    }

    [Fact]
    public async Task Who_never_chose_a_password_has_a_recent_proof_in_its_place_and_no_proof_renews_itself()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("update passwords set is_chosen = false where user_id = @AccountId", new { ada.AccountId });
        Task<HttpResponseMessage> ChooseAsync(string? current = null) => ada.Http.PutAsJsonAsync("/identity/v1/me/password", new { current_password = current, new_password = "Not-for-any-log-4" }, Ct);
        Task<HttpResponseMessage> LeaveAsync() => ada.Http.SendAsync(new(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { }) }, Ct);
        // However young the login is, and whatever the password was.
        await ProveAsync(ada).RefusedAsync(Forbidden, Refusal);
        await AgeAsync(ada);
        foreach (var attempt in new[] { () => ChooseAsync(), () => ChooseAsync(ada.Password), LeaveAsync, () => ada.Http.PostAsJsonAsync("/identity/v1/me/passkeys/options", new { }, Ct) })
            await attempt().RefusedAsync(Forbidden, Refusal);
        // Nor does one that is too old by the time that the change is made.
        await service.SqlAsync("update logins set proved_at = now() where user_id = @AccountId", new { ada.AccountId });
        await using (var elsewhere = new NpgsqlConnection(service.Database.Superuser))
        {
            await elsewhere.OpenAsync(Ct);
            await using var held = await elsewhere.BeginTransactionAsync(Ct);
            await elsewhere.ExecuteAsync("select from accounts where user_id = @AccountId for update", new { ada.AccountId }, held);
            var waiting = ChooseAsync();
            while ((await service.SqlAsync<int>("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")).Count == 0) await Task.Delay(20, Ct);
            await AgeAsync(ada);
            await held.RollbackAsync(Ct);
            await waiting.RefusedAsync(Forbidden, Refusal);
        }
        // As a provider's word would make it.
        await service.SqlAsync("update logins set proved_at = now(), proved_methods = 'fed' where user_id = @AccountId", new { ada.AccountId });
        using (var asked = await ada.Http.PostAsJsonAsync("/identity/v1/me/passkeys/options", new { }, Ct)) Assert.Equal(OK, asked.StatusCode);
        using (var chosen = await ChooseAsync()) Assert.Equal(OK, chosen.StatusCode);
        ada.Password = "Not-for-any-log-4";
        // From now on there is one, and nothing stands in for it.
        Assert.True((await (await ada.Http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("has_password").GetBoolean());
        Assert.Equal("/password", Assert.Single((await LeaveAsync().RefusedAsync(BadRequest, "validation-failed")).Errors!).Pointer);
        Assert.Equal("/current_password", Assert.Single((await ChooseAsync().RefusedAsync(BadRequest, "validation-failed")).Errors!).Pointer);
        using (var proved = await ProveAsync(ada)) Assert.Equal(OK, proved.StatusCode);

        // One that was taken back is not one that was never chosen: it is chosen anew by mail.
        await service.SqlAsync("update passwords set is_chosen = false, taken_back_at = now() where user_id = @AccountId", new { ada.AccountId });
        await LeaveAsync().RefusedAsync(BadRequest, "validation-failed");
        await ProveAsync(ada, password: "Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");
        await service.SqlAsync("update passwords set taken_back_at = null where user_id = @AccountId", new { ada.AccountId });
        using (var left = await LeaveAsync()) Assert.Equal(NoContent, left.StatusCode);
    }

    [Fact]
    public async Task An_authenticator_that_is_turned_on_without_a_password_renews_no_proof()
    {
        var mine = new AuthenticatorOf(service, await Person.SignedInAsync(service));
        await service.SqlAsync("update passwords set is_chosen = false where user_id = @AccountId", new { mine.Person.AccountId });
        await mine.MakeAsync();
        using (var confirmed = await mine.Person.Http.PostAsJsonAsync("/identity/v1/me/totp/confirm", new { code = await mine.NextAsync() }, Ct)) Assert.Equal(OK, confirmed.StatusCode);
        await MakeKeyAsync(mine.Person).RefusedAsync(Forbidden, Refusal);
        Assert.Equal([true], await service.SqlAsync<bool>("select proved_at is null from logins where user_id = @AccountId", new { mine.Person.AccountId }));
    }

    [Fact]
    public async Task A_login_that_has_ended_adds_nothing_while_its_token_is_still_believed()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("set session_replication_role = replica; update logins set ended_at = now(), ended_because = 'signed-out' where user_id = @AccountId", new { ada.AccountId });
        await MakeKeyAsync(ada).RefusedAsync(Forbidden, Refusal);
        await ProveAsync(ada).RefusedAsync(Unauthorized, "account-not-found");
        Assert.Empty(await service.SqlAsync<string>("select key_id from api_keys where user_id = @AccountId", new { ada.AccountId }));
    }

    private static Task<HttpResponseMessage> MakeKeyAsync(Person person) =>
        person.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "a", scopes = new[] { "readings:read" } }, Ct);

    private static Task<HttpResponseMessage> ProveAsync(Person person, string? code = null, string? password = null) =>
        person.Http.PostAsJsonAsync(Route, new { password = password ?? person.Password, code }, Ct);

    private Task AgeAsync(Person person) => service.AgeAsync(person);

    private async Task<string> RowsAsync(Person person)
    {
        var rows = new List<string>();
        foreach (var table in new[] { "api_keys", "applications", "application_secrets", "consents", "pairing_codes", "passkeys", "totp", "recovery_codes", "mail_outbox" })
            rows.AddRange(await service.SqlAsync<string>($"select to_jsonb(t)::text from {table} t where user_id = @AccountId", new { person.AccountId }));
        return JsonSerializer.Serialize(rows.Order(StringComparer.Ordinal));
    }
}
