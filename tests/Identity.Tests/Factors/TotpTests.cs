using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests.Factors;

public sealed class TotpTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static readonly byte[] RfcSecret = Encoding.ASCII.GetBytes("12345678901234567890");

    [Theory]
    [InlineData(59, "94287082"), InlineData(1111111109, "07081804"), InlineData(1111111111, "14050471")]
    [InlineData(1234567890, "89005924"), InlineData(2000000000, "69279037"), InlineData(20000000000, "65353130")]
    public void Codes_are_those_of_RFC_6238(long time, string code)
    {
        var at = DateTimeOffset.FromUnixTimeSeconds(time);
        Assert.Equal(code, Totp.CodeAt(RfcSecret, Totp.StepAt(at), 8));
        Assert.Equal(code[2..], Totp.CodeAt(RfcSecret, Totp.StepAt(at)));
    }

    [Theory]
    [InlineData("", ""), InlineData("f", "MY"), InlineData("fo", "MZXQ"), InlineData("foo", "MZXW6"), InlineData("foob", "MZXW6YQ"), InlineData("fooba", "MZXW6YTB"), InlineData("foobar", "MZXW6YTBOI")]
    public void Secrets_are_written_as_RFC_4648_says(string plain, string text) => Assert.Equal(text, Base32.Encode(Encoding.ASCII.GetBytes(plain)));

    [Fact]
    public void A_clock_may_be_half_a_minute_wrong_and_no_more()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1111111109);
        var step = Totp.StepAt(now);
        for (var off = -1; off <= 1; off++) Assert.Equal(step + off, Totp.StepOf(RfcSecret, Totp.CodeAt(RfcSecret, step + off), now));
        foreach (var off in new[] { -3, -2, 2, 3 }) Assert.Null(Totp.StepOf(RfcSecret, Totp.CodeAt(RfcSecret, step + off), now));
        Assert.Null(Totp.StepOf(RfcSecret, "08180", now));
        Assert.Null(Totp.StepOf(RfcSecret, "٠٨١٨٠٤", now));
    }

    [Fact]
    public async Task An_authenticator_counts_when_it_is_confirmed_and_then_signing_in_asks_for_its_code()
    {
        var mine = new AuthenticatorOf(service, await Person.SignedInAsync(service));
        await mine.ConfirmAsync("123456").RefusedAsync(NotFound, "totp-not-found");
        await mine.MakeAsync();
        var first = mine.Secret;
        var uri = await mine.MakeAsync();
        Assert.NotEqual(first, mine.Secret);
        Assert.Equal(20, mine.Secret.Length);
        Assert.StartsWith($"otpauth://totp/identity.test:{Uri.EscapeDataString(mine.Person.Email)}?secret={Base32.Encode(mine.Secret)}&issuer=identity.test", uri.Replace(Issuer, "identity.test", StringComparison.Ordinal), StringComparison.Ordinal);
        // Nobody is shut out by a secret that they never got into their authenticator.
        using (var without = await mine.SignInAsync(null)) Assert.Equal(OK, without.StatusCode);
        await mine.ConfirmAsync(mine.Wrong()).RefusedAsync(Forbidden, "invalid-code");
        await mine.ConfirmAsync(mine.At(0), "Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");
        using (var confirmed = await mine.ConfirmAsync(mine.At(0)))
        {
            Assert.Equal("no-store", confirmed.Headers.CacheControl?.ToString());
            Assert.Equal(10, AuthenticatorOf.CodesOf(await confirmed.JsonAsync()).Distinct().Count());
        }
        await mine.ConfirmAsync(mine.At(1)).RefusedAsync(Conflict, "totp-exists");
        await mine.Person.Http.PostAsync("/identity/v1/me/totp", null, Ct).RefusedAsync(Conflict, "totp-exists");

        await mine.SignInAsync(null).RefusedAsync(Unauthorized, "second-factor-required");
        await mine.SignInAsync("").RefusedAsync(Unauthorized, "second-factor-required");
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        // Who does not have the password learns of no second factor.
        foreach (var code in new[] { null, await mine.NextAsync() }) await mine.SignInAsync(code, "Not-for-any-log-9").RefusedAsync(Unauthorized, "invalid-credentials");
        using (var right = await mine.SignInAsync(mine.At(0).Insert(3, " "))) Assert.Equal(OK, right.StatusCode);
        Assert.Equal(["pwd", "pwd", "pwd otp"], await service.SqlAsync<string>("select methods from logins where user_id = @AccountId order by login_id", new { mine.Person.AccountId }));
        Assert.Equal(10, (await FactorsAsync(mine)).GetProperty("recovery_codes_left").GetInt32());
    }

    [Fact]
    public async Task A_code_is_good_once_and_one_from_before_it_never_again_also_at_one_moment()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        var code = await mine.NextAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => mine.SignInAsync(code)));
        Assert.Single(answers, answer => answer.StatusCode == OK);
        Assert.All(answers.Where(answer => answer.StatusCode != OK), answer => Assert.Equal(Unauthorized, answer.StatusCode));
        await ForgetTriesAsync(mine);
        await mine.SignInAsync(code).RefusedAsync(Unauthorized, "invalid-code");
        // A clock that goes fast: its code is taken, and then no older one.
        using (var fast = await mine.SignInAsync(mine.At(1))) Assert.Equal(OK, fast.StatusCode);
        await mine.SignInAsync(mine.At(-1)).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(mine.At(0)).RefusedAsync(Unauthorized, "invalid-code");
    }

    [Fact]
    public async Task The_code_that_confirmed_signs_nobody_in()
    {
        var mine = new AuthenticatorOf(service, await Person.SignedInAsync(service));
        await mine.MakeAsync();
        var code = mine.At(0);
        using (var confirmed = await mine.ConfirmAsync(code)) Assert.Equal(OK, confirmed.StatusCode);
        await mine.SignInAsync(code).RefusedAsync(Unauthorized, "invalid-code");
    }

    [Fact]
    public async Task Five_codes_are_tried_and_then_one_a_minute_and_whoever_is_signed_in_keeps_their_own_tries()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => mine.SignInAsync(mine.Wrong())));
        Assert.Equal((5, 7), (answers.Count(answer => answer.StatusCode == Unauthorized), answers.Count(answer => answer.StatusCode == TooManyRequests)));
        using (var refused = await mine.SignInAsync(await mine.NextAsync()))
        {
            Assert.Equal("too-many-tries", (await refused.JsonAsync()).GetProperty("type").GetString());
            Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        }
        // In the database: another replica counts the same tries. And a minute later there is one more.
        Assert.InRange(Assert.Single(await service.SqlAsync<double>("select used from code_tries where user_id = @AccountId and place = 'sign-in'", new { mine.Person.AccountId })), 4.5, 5);
        await service.SqlAsync("update code_tries set at = at - interval '61 seconds' where user_id = @AccountId", new { mine.Person.AccountId });
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(await mine.NextAsync()).RefusedAsync(TooManyRequests, "too-many-tries");

        // The owner: what they are signed in on goes on, a recovery code opens the door, and the authenticator can be changed.
        Assert.Equal(OK, (await mine.Person.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        using (var refreshed = await service.RefreshAsync(mine.Person.Tokens.RefreshToken)) Assert.Equal(OK, refreshed.StatusCode);
        using (var recovered = await mine.SignInAsync(mine.RecoveryCodes[0])) Assert.Equal(OK, recovered.StatusCode);
        using (var removed = await mine.RemoveAsync(await mine.NextAsync())) Assert.Equal(NoContent, removed.StatusCode);
    }

    [Fact]
    public async Task Right_codes_are_no_guesses_and_pay_for_none()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        for (var i = 0; i < 7; i++)
            using (var right = await mine.SignInAsync(await mine.NextAsync())) Assert.Equal(OK, right.StatusCode);
        for (var i = 0; i < 4; i++) await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        using (var right = await mine.SignInAsync(await mine.NextAsync())) Assert.Equal(OK, right.StatusCode);
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(TooManyRequests, "too-many-tries");
    }

    [Fact]
    public async Task It_is_removed_with_the_password_and_a_code_and_its_recovery_codes_go_with_it()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        await mine.RemoveAsync(await mine.NextAsync(), "Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");
        await mine.RemoveAsync(mine.Wrong()).RefusedAsync(Forbidden, "invalid-code");
        await mine.SignInAsync(null).RefusedAsync(Unauthorized, "second-factor-required");
        using (var removed = await mine.RemoveAsync(mine.RecoveryCodes[9])) Assert.Equal(NoContent, removed.StatusCode);
        using (var without = await mine.SignInAsync(null)) Assert.Equal(OK, without.StatusCode);
        await mine.RemoveAsync("123456").RefusedAsync(NotFound, "totp-not-found");
        var factors = await FactorsAsync(mine);
        Assert.Equal((JsonValueKind.Null, 0, 0), (factors.GetProperty("totp_confirmed_at").ValueKind, factors.GetProperty("recovery_codes_left").GetInt32(), factors.GetProperty("passkeys").GetInt32()));
        Assert.Equal(["signed-in", "totp-added", "recovery-code-used", "totp-removed", "signed-in"],
            await service.SqlAsync<string>("select action from audit where user_id = @AccountId order by entry_id", new { mine.Person.AccountId }));
    }

    [Fact]
    public async Task Its_secret_is_sealed_and_bound_to_its_person()
    {
        var (mine, other) = (await AuthenticatorOf.AddedAsync(service), await AuthenticatorOf.AddedAsync(service));
        var box = Assert.Single(await service.SqlAsync<byte[]>("select secret from totp where user_id = @AccountId", new { mine.Person.AccountId }));
        Assert.Equal(12 + 16 + 20, box.Length);
        Assert.True(box.AsSpan().IndexOf(mine.Secret) < 0);
        var sealer = service.Services.GetRequiredService<Sealer>();
        Assert.Equal(mine.Secret, sealer.Open(box, sealer.Name, Authenticator.About(mine.Person.AccountId)));
        Assert.ThrowsAny<CryptographicException>(() => sealer.Open(box, sealer.Name, Authenticator.About(other.Person.AccountId)));
        // Whoever can write to the table gets nobody's authenticator to be another's.
        await service.SqlAsync("update totp set secret = @box where user_id = @AccountId", new { box, other.Person.AccountId });
        using var refused = await other.SignInAsync(mine.At(0));
        Assert.Equal(InternalServerError, refused.StatusCode);
    }

    [Fact]
    public async Task Recovery_codes_sign_in_once_each_and_say_how_many_are_left()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        Assert.All(mine.RecoveryCodes, code => Assert.Matches("^[a-z2-7]{4}(-[a-z2-7]{4}){3}$", code));
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => mine.SignInAsync(mine.RecoveryCodes[0])));
        var used = Assert.Single(answers, answer => answer.StatusCode == OK);
        Assert.Equal(9, (await used.JsonAsync()).GetProperty("recovery_codes_left").GetInt32());
        Assert.All(answers.Where(answer => answer != used), answer => Assert.Equal(Unauthorized, answer.StatusCode));
        // As somebody types it.
        using (var typed = await mine.SignInAsync(mine.RecoveryCodes[1].ToUpperInvariant().Replace('-', ' '))) Assert.Equal(8, (await typed.JsonAsync()).GetProperty("recovery_codes_left").GetInt32());
        await mine.SignInAsync("aaaa-aaaa-aaaa-aaaa").RefusedAsync(Unauthorized, "invalid-code");
        var told = await service.SqlAsync<string>("select details ->> 'left' from audit where user_id = @AccountId and action = 'recovery-code-used' order by entry_id", new { mine.Person.AccountId });
        Assert.Equal(["9", "8"], told);
        using (var ordinary = await mine.SignInAsync(await mine.NextAsync())) Assert.False((await ordinary.JsonAsync()).TryGetProperty("recovery_codes_left", out _));

        // Only hashes are stored, and new ones take the place of old ones.
        var stored = await service.SqlAsync<byte[]>("select code_hash from recovery_codes where user_id = @AccountId", new { mine.Person.AccountId });
        Assert.Contains(SHA256.HashData(Encoding.ASCII.GetBytes(mine.RecoveryCodes[5].Replace("-", "", StringComparison.Ordinal).ToUpperInvariant())), stored);
        await mine.Person.Http.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = "Not-for-any-log-9" }, Ct).RefusedAsync(Forbidden, "wrong-password");
        using var anew = await mine.Person.Http.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = mine.Person.Password }, Ct);
        var codes = AuthenticatorOf.CodesOf(await anew.JsonAsync());
        Assert.Empty(codes.Intersect(mine.RecoveryCodes));
        await mine.SignInAsync(mine.RecoveryCodes[5]).RefusedAsync(Unauthorized, "invalid-code");
        using (var good = await mine.SignInAsync(codes[5])) Assert.Equal(OK, good.StatusCode);
    }

    [Fact]
    public async Task Nobody_uses_the_code_of_another_person_and_none_are_made_without_an_authenticator()
    {
        var (mine, other) = (await AuthenticatorOf.AddedAsync(service), await AuthenticatorOf.AddedAsync(service));
        await mine.SignInAsync(other.RecoveryCodes[0]).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(await other.NextAsync()).RefusedAsync(Unauthorized, "invalid-code");
        using (var still = await other.SignInAsync(other.RecoveryCodes[0])) Assert.Equal(OK, still.StatusCode);
        var plain = await Person.SignedInAsync(service);
        await plain.Http.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = plain.Password }, Ct).RefusedAsync(Conflict, "totp-not-found");
    }

    [Fact]
    public async Task The_sign_in_page_takes_the_code_too()
    {
        var (app, mine) = (await App.MadeAsync(service), await AuthenticatorOf.AddedAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(mine.Person);
        Assert.Equal(Unauthorized, browser.Status);
        Assert.Contains("role=\"alert\">The code of your authenticator", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("email", mine.Person.Email), ("password", mine.Person.Password), ("code", mine.Wrong()));
        Assert.Equal(Unauthorized, browser.Status);
        await browser.SendAsync(("email", mine.Person.Email), ("password", mine.Person.Password), ("code", await mine.NextAsync()));
        Assert.Contains("Let Sleep lab in?", browser.Html, StringComparison.Ordinal);
        Assert.Equal("pwd otp", Assert.Single(await service.SqlAsync<string>("select methods from logins where user_id = @AccountId and client_id = 'browser'", new { mine.Person.AccountId })));
    }

    [Fact]
    public async Task Whoever_has_the_password_and_no_code_stands_in_the_audit_with_that()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(mine.Wrong()).RefusedAsync(Unauthorized, "invalid-code");
        await mine.SignInAsync(null, "Not-for-any-log-9").RefusedAsync(Unauthorized, "invalid-credentials");
        await UntilAsync(async () => (await ToldAsync()).Count >= 2);
        Assert.Equal([false, true], await ToldAsync());
        Task<IReadOnlyList<bool>> ToldAsync() => service.SqlAsync<bool>(
            "select (details ->> 'password_was_right')::bool from audit where user_id = @AccountId and action = 'sign-in-refused' order by 1", new { mine.Person.AccountId });
    }

    [Fact]
    public async Task The_login_of_an_application_says_how_its_person_proved_who_they_are()
    {
        var (app, mine) = (await App.MadeAsync(service), await AuthenticatorOf.AddedAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        await browser.SendAsync(("email", mine.Person.Email), ("password", mine.Person.Password), ("code", await mine.NextAsync()));
        await browser.SendAsync(("decision", "allow"));
        using (var answer = await app.TokensAsync(browser.LeftWith["code"])) Assert.Equal(OK, answer.StatusCode);
        Assert.Equal("pwd otp", Assert.Single(await service.SqlAsync<string>("select methods from logins where user_id = @AccountId and client_id = @ClientId", new { mine.Person.AccountId, app.ClientId })));
    }

    private static string Issuer => new Uri(Support.TestIdentity.Issuer).Host;

    private Task ForgetTriesAsync(AuthenticatorOf mine) => service.SqlAsync("delete from code_tries where user_id = @AccountId", new { mine.Person.AccountId });

    private static async Task<JsonElement> FactorsAsync(AuthenticatorOf mine) => await mine.Person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/factors", Ct);
}
