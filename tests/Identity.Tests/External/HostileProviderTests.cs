using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Chassis;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.External;

/// <summary>What a provider, or somebody between it and us, may try. What signs in first signs in nobody when one thing of it is wrong.</summary>
public sealed class HostileProviderTests(ExternalService service) : IClassFixture<ExternalService>
{
    private FakeProvider Fake => service.Fake;

    [Fact]
    public async Task An_id_token_of_which_one_thing_is_wrong_signs_nobody_in()
    {
        Comes();
        await SignsAsync(isGood: true);
        foreach (var (name, lie) in new (string, Action<Dictionary<string, object?>>)[]
        {
            ("another nonce", claims => claims["nonce"] = "x"), ("no nonce", claims => claims.Remove("nonce")), ("another audience", claims => claims["aud"] = "x"), ("no audience", claims => claims.Remove("aud")),
            ("two audiences without azp", claims => (claims["aud"], claims["azp"]) = (new[] { FakeProvider.ClientId, "x" }, "x")),
            ("another issuer", claims => claims["iss"] = "https://accounts.google.com"), ("expired", claims => claims["exp"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60), ("no end", claims => claims.Remove("exp")),
            ("no subject", claims => claims.Remove("sub")), ("another domain", claims => claims["hd"] = "example.com"), ("no domain", claims => claims.Remove("hd")),
            ("not yet", claims => claims["nbf"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 600),
        })
        {
            Comes();
            Fake.Lie = lie;
            await SignsAsync(isGood: false, name);
        }
        Comes();
        Fake.Info = new() { ["sub"] = "somebody-else" };
        await SignsAsync(isGood: false, "userinfo of somebody else");
    }

    [Fact]
    public async Task An_id_token_that_is_signed_otherwise_signs_nobody_in()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var publicKey = Convert.ToBase64String(Fake.Key.ExportSubjectPublicKeyInfo());
        foreach (var (name, signs) in new (string, Func<Dictionary<string, object?>, string>)[]
        {
            ("none", claims => FakeProvider.Signed(claims, "none", _ => [])), ("no signature", claims => FakeProvider.Signed(claims, "ES256", _ => [])),
            ("another key", claims => FakeProvider.Signed(claims, "ES256", content => other.SignData(content, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation))),
            ("public key as a secret", claims => FakeProvider.Signed(claims, "HS256", content => FakeProvider.Hs256(publicKey, content))),
            ("client secret where it is no key", claims => FakeProvider.Signed(claims, "HS256", content => FakeProvider.Hs256(FakeProvider.ClientSecret, content))),
        })
        {
            Comes();
            Fake.Signs = signs;
            await SignsAsync(isGood: false, name);
        }
        Comes();
        Fake.Signs = claims => FakeProvider.Signed(claims, "HS256", content => FakeProvider.Hs256(FakeProvider.ClientSecret, content));
        await SignsAsync(isGood: true, "LINE signs so", "line");
        Fake.Signs = claims => FakeProvider.Signed(claims, "HS256", content => FakeProvider.Hs256("not-for-any-log-another-secret-of-32", content));
        await SignsAsync(isGood: false, "with another secret", "line");
    }

    [Fact]
    public async Task An_answer_counts_once_in_the_browser_that_asked_and_from_whom_was_asked()
    {
        Comes();
        using var ours = new Browser(service);
        await ours.GetAsync("/identity/providers/google");
        var asked = ours.Left!;
        Assert.Equal(("S256", "offline", "example.org", $"{ExternalService.Origin}/identity/providers/google/callback"), (Said(asked, "code_challenge_method"), Said(asked, "access_type"), Said(asked, "hd"), Said(asked, "redirect_uri")));
        Assert.True(Said(asked, "nonce").Length > 20);

        // The answer to one browser in another: somebody is not to be signed in to another's account by a link.
        using var theirs = new Browser(service);
        await BackAsync(theirs, Fake.Answer(asked));
        Assert.Equal(Unauthorized, theirs.Status);
        foreach (var change in new (string, string?)[] { ("state", "x"), ("state", null), ("iss", "https://accounts.google.com"), ("code", "x"), ("error", "access_denied") })
        {
            using var browser = new Browser(service);
            await browser.GetAsync("/identity/providers/google");
            await BackAsync(browser, Fake.Answer(browser.Left!, change));
            Assert.True(browser.Status == Unauthorized && browser.Cookie("or_proof") is null, $"{change}: {browser.Status}");
        }
        // One provider's answer at another's address.
        using var mixed = new Browser(service);
        await mixed.GetAsync("/identity/providers/google");
        await BackAsync(mixed, Fake.Answer(mixed.Left!).Replace("providers/google", "providers/work", StringComparison.Ordinal));
        Assert.Equal(Unauthorized, mixed.Status);

        // What the operator reads names the error and holds nothing that a stranger wrote.
        Assert.Contains(service.Log.Lines, line => line.Contains("provider:google signed nobody in: access_denied", StringComparison.Ordinal));
        Assert.Contains(service.Log.Lines, line => line.Contains("provider:google signed nobody in: invalid_grant", StringComparison.Ordinal));

        var answer = Fake.Answer(asked);
        await BackAsync(ours, answer);
        Assert.Equal(OK, ours.Status);
        var before = Fake.TokenRequests;
        await BackAsync(ours, answer);
        Assert.Equal((Unauthorized, before), (ours.Status, Fake.TokenRequests));
    }

    [Fact]
    public async Task An_answer_with_the_cookies_that_another_host_of_the_domain_planted_counts_for_nothing()
    {
        Comes();
        using var mallory = new Browser(service);
        await mallory.GetAsync("/identity/providers/work");
        using var adas = new Browser(service);
        await adas.GetAsync("/identity/providers/work");
        var answer = Fake.Answer(mallory.Left!);
        // What has the prefix __Host- in production cannot be planted.
        foreach (var name in mallory.CookieNames.Where(name => !name.StartsWith("or_", StringComparison.Ordinal)).ToList()) adas.SetCookie(name, mallory.Cookie(name)!);
        await BackAsync(adas, answer);
        Assert.Equal((Unauthorized, null), (adas.Status, adas.Cookie("or_proof")));
    }

    [Theory]
    [InlineData("google", "ada@gmail.com", null, true)]
    [InlineData("google", "ada@clinic.example", "clinic.example", true)]
    [InlineData("google", "ada@clinic.example", null, false)]
    [InlineData("google", "ada@clinic.example", "", false)]
    [InlineData("google", "ada@gmail.com@clinic.example", null, false)]
    [InlineData("google", "no address", "clinic.example", false)]
    [InlineData("google", null, "clinic.example", false)]
    [InlineData("line", "ada@gmail.com", null, false)]
    [InlineData("work", "ada@clinic.example", null, true)]
    public void Google_is_believed_about_addresses_of_its_own_alone(string provider, string? email, string? domain, bool isProven)
    {
        var config = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Providers:work:Issuer"] = "https://sso.example.org", ["Providers:work:TrustsEmail"] = "true" }
            .Concat(from name in new[] { "google", "line", "work" } from key in new[] { "ClientId", "ClientSecret" } select KeyValuePair.Create($"Providers:{name}:{key}", (string?)"x"))).Build();
        Assert.Equal(isProven, new Providers(config).Find(provider)!.Proves(email, domain));
    }

    [Fact]
    public async Task A_proof_waits_for_neither_a_key_nor_a_provider_that_is_gone()
    {
        foreach (var isKey in new[] { true, false })
        {
            Comes();
            using var browser = new Browser(service);
            await browser.GetAsync("/identity/providers/work");
            await BackAsync(browser, Fake.Answer(browser.Left!));
            Assert.Contains("You are new here", browser.Html, StringComparison.Ordinal);
            var sealer = service.Services.GetRequiredService<Sealer>();
            var gone = new ExternalProof("gone", "https://gone.example", "x", null, false, null, null, DateTimeOffset.UtcNow, "/identity/connections", false, null);
            await service.SqlAsync("update external_proofs set content = case when @isKey then content else @box end, sealed_with = case when @isKey then 'thrown' else sealed_with end",
                new { isKey, box = sealer.Seal(System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(gone), "external proof") });
            await browser.SendAsync(("decision", "make"), ("email", $"{Guid.NewGuid():N}@example.org"));
            Assert.Equal((BadRequest, true), (browser.Status, browser.Html.Contains("too long, or was finished", StringComparison.Ordinal)));
            await browser.GetAsync("/identity/provider-proof");
            Assert.Equal(BadRequest, browser.Status);
        }
        // And no door of the framework's stands open beside ours.
        using var away = service.Anonymous();
        using var answer = await away.GetAsync("/signout-callback-oidc", TestContext.Current.CancellationToken);
        Assert.Equal(NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task A_proof_is_of_one_browser_used_once_and_old_after_ten_minutes()
    {
        Comes();
        var ada = await Person.SignedUpAsync(service);
        using var browser = new Browser(service);
        await browser.GetAsync("/identity/providers/work");
        await BackAsync(browser, Fake.Answer(browser.Left!));
        await browser.GetAsync("/identity/provider-proof?connect=yes");
        var fields = new Dictionary<string, string> { ["form_token"] = FieldOf(browser.Html, "form_token"), ["decision"] = "connect", ["email"] = ada.Email, ["password"] = ada.Password };
        using var other = new Browser(service);
        other.SetCookie("or_proof", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_'));
        await other.GetAsync("/identity/provider-proof");
        Assert.Equal(BadRequest, other.Status);

        // Two at once with one proof.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            using var copy = new Browser(service);
            foreach (var name in new[] { "or_proof", "or_form" }) copy.SetCookie(name, browser.Cookie(name)!);
            await copy.PostAsync("/identity/provider-proof", fields);
        }));
        Assert.Single(await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId and client_id = 'browser'", new { ada.AccountId }));

        Comes();
        await browser.GetAsync("/identity/providers/work");
        await BackAsync(browser, Fake.Answer(browser.Left!));
        await service.SqlAsync("update external_proofs set created_at = created_at - interval '11 minutes'");
        await browser.GetAsync("/identity/provider-proof");
        Assert.Equal(BadRequest, browser.Status);
    }

    [Fact]
    public async Task Nobody_is_led_elsewhere_afterwards()
    {
        foreach (var next in new[] { "https://evil.example", "//evil.example", "/identity/v1/me", "/identity/provider-proof", "/identity/connections/../v1/me" })
        {
            Comes();
            using var browser = new Browser(service);
            await browser.GetAsync($"/identity/providers/work?return={Uri.EscapeDataString(next)}");
            await BackAsync(browser, Fake.Answer(browser.Left!));
            await browser.SendAsync(("decision", "make"), ("email", $"{Guid.NewGuid():N}@example.org"));
            Assert.Contains("<h1>Your accounts elsewhere</h1>", browser.Html, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("Providers:work:Issuer", "http://sso.example.org", "https")]
    [InlineData("Providers:work:Issuer", "", "Providers:work:Issuer")]
    [InlineData("Providers:work:ClientSecret", "", "ClientSecret")]
    [InlineData("Providers:so long a name of a provider:Issuer", "https://sso.example.org", "letters")]
    public void Settings_that_cannot_be_right_stop_the_start(string key, string value, string said)
    {
        var config = new ConfigurationBuilder().AddInMemoryCollection(
            new Dictionary<string, string?> { ["Providers:work:Issuer"] = "https://sso.example.org", ["Providers:work:ClientId"] = "x", ["Providers:work:ClientSecret"] = "x", [key] = value }).Build();
        Assert.Contains(said, Assert.Throws<StartRefusedException>(() => new Providers(config)).Message, StringComparison.Ordinal);
    }

    private void Comes()
    {
        Fake.Person = new() { ["sub"] = Guid.NewGuid().ToString("N"), ["hd"] = "example.org", ["email"] = "ada@example.org", ["email_verified"] = true };
        (Fake.Info, Fake.Lie, Fake.Signs) = ([], _ => { }, null);
    }

    private async Task SignsAsync(bool isGood, string name = "", string provider = "google")
    {
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/providers/{provider}");
        await BackAsync(browser, Fake.Answer(browser.Left!));
        Assert.True((browser.Status == OK, browser.Cookie("or_proof") is not null) == (isGood, isGood), $"{name}: {browser.Status} {browser.Html}");
    }

    private static Task BackAsync(Browser browser, string answer) => browser.GetAsync(new Uri(answer).PathAndQuery);

    private static string Said(string address, string name) => Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(new Uri(address).Query)[name].ToString();

    private static string FieldOf(string html, string name) => System.Text.RegularExpressions.Regex.Match(html, $"name=\"{name}\" value=\"([^\"]*)\"").Groups[1].Value;
}
