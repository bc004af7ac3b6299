using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;
using OpenReadings.Support;

namespace OpenReadings.ChassisTests;

public sealed class TokenForgeryTests(Notebook notebook)
{
    private static readonly Guid Ada = Guid.NewGuid();
    private TestIdentity Identity => notebook.Identity;

    [Fact]
    public async Task A_token_of_our_issuer_opens_the_door()
    {
        Assert.Equal(HttpStatusCode.OK, await TryAsync(Identity.TokenFor(Ada)));
        Assert.Equal(HttpStatusCode.OK, await TryAsync(Identity.TokenFor(Ada, audience: "notebook")));
    }

    public static TheoryData<string> Forgeries => [.. Forge.Keys];

    private static readonly Dictionary<string, Func<TestIdentity, string>> Forge = new()
    {
        ["alg none"] = id => $"{Header(id, "alg", "none")}.{TestIdentity.Encode(TestIdentity.Claims(Ada))}.",
        ["alg none with a signature"] = id => id.Sign(With(id.Header(), "alg", "none"), TestIdentity.Claims(Ada)),
        ["alg None"] = id => id.Sign(With(id.Header(), "alg", "None"), TestIdentity.Claims(Ada)),
        ["HS256 keyed with the public key"] = HmacWithPublicKey,
        ["RS256 named"] = id => id.Sign(With(id.Header(), "alg", "RS256"), TestIdentity.Claims(Ada)),
        ["an ID token's typ"] = id => id.Sign(With(id.Header(), "typ", "JWT"), TestIdentity.Claims(Ada)),
        ["no typ"] = id => id.Sign(Without(id.Header(), "typ"), TestIdentity.Claims(Ada)),
        ["no kid"] = id => id.Sign(Without(id.Header(), "kid"), TestIdentity.Claims(Ada)),
        ["an unknown kid"] = id => id.Sign(With(id.Header(), "kid", "../../etc/passwd"), TestIdentity.Claims(Ada)),
        ["a foreign key under our kid"] = id => id.Sign(id.Header(), TestIdentity.Claims(Ada), ECDsa.Create(ECCurve.NamedCurves.nistP256)),
        ["an embedded jwk"] = EmbeddedKey,
        ["a jku of the attacker's"] = id => id.Sign(With(id.Header(), "jku", "http://attacker.invalid"), TestIdentity.Claims(Ada), ECDsa.Create(ECCurve.NamedCurves.nistP256)),
        ["a P-384 signature"] = id => id.Sign(id.Header(), TestIdentity.Claims(Ada), ECDsa.Create(ECCurve.NamedCurves.nistP384)),
        ["a critical extension"] = id => id.Sign(With(id.Header(), "crit", new[] { "b64" }), TestIdentity.Claims(Ada)),
        ["another issuer"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "iss", "http://test.invalid/identity/")),
        ["another audience"] = id => id.TokenFor(Ada, audience: "readings"),
        ["no audience"] = id => id.Sign(id.Header(), Without(TestIdentity.Claims(Ada), "aud")),
        ["expired a minute ago"] = id => id.Sign(id.Header(), With(With(TestIdentity.Claims(Ada), "exp", Now(-60)), "iat", Now(-600))),
        ["no expiry"] = id => id.Sign(id.Header(), Without(TestIdentity.Claims(Ada), "exp")),
        ["an expiry in text"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "exp", "9999999999")),
        ["an expiry in ten years"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "exp", Now(315_000_000))),
        ["valid only later"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "nbf", Now(300))),
        ["issued in the future"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "iat", Now(300))),
        ["no subject"] = id => id.Sign(id.Header(), Without(TestIdentity.Claims(Ada), "sub")),
        ["a subject that is no id"] = id => id.Sign(id.Header(), With(TestIdentity.Claims(Ada), "sub", "' or true --")),
        ["a duplicated claim"] = DuplicatedClaim,
        ["a changed payload"] = ChangedPayload,
        ["a signature of zeros"] = id => Resigned(id.TokenFor(Ada), new byte[64]),
        ["an empty signature"] = id => Resigned(id.TokenFor(Ada), []),
        ["a signature in DER"] = id => Resigned(id.TokenFor(Ada), new byte[71]),
        ["padding in the signature"] = id => id.TokenFor(Ada) + "==",
        ["a fourth part"] = id => id.TokenFor(Ada) + ".e30",
        ["two parts"] = id => id.TokenFor(Ada)[..id.TokenFor(Ada).LastIndexOf('.')],
        ["nothing"] = _ => "",
        ["no JSON"] = _ => "a.b.c",
        ["a megabyte"] = id => id.TokenFor(Ada) + new string('A', 20_000),
    };

    [Theory, MemberData(nameof(Forgeries))]
    public async Task A_forged_token_opens_nothing(string forgery) =>
        Assert.Equal(HttpStatusCode.Unauthorized, await TryAsync(Forge[forgery](Identity)));

    [Fact]
    public async Task A_refusal_is_a_problem_that_names_the_reason_and_no_token()
    {
        var token = Identity.TokenFor(Ada, audience: "readings");
        using var response = await SendAsync(token);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("\"type\":\"invalid-token\"", body);
        Assert.Contains("traceId", body);
        Assert.DoesNotContain(token[^20..], body);
        Assert.Contains("invalid_token", response.Headers.WwwAuthenticate.ToString());
    }

    [Fact]
    public async Task A_token_without_the_scope_is_told_which_one_it_lacks()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/notebook/v1/scoped") { Headers = { Authorization = new("Bearer", Identity.TokenFor(Ada)) } };
        using var response = await notebook.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("diary:read", response.Headers.WwwAuthenticate.ToString());
    }

    [Fact]
    public async Task Keys_rotate_without_a_restart_and_a_withdrawn_key_takes_its_tokens_with_it()
    {
        await using var issuer = await TestIdentity.StartAsync();
        var clock = new ManualClock();
        using var http = new HttpClient();
        using var keys = new JwksCache(http, issuer.Jwks, clock);
        var verifier = new TokenVerifier(keys, TestIdentity.Issuer, "notebook", clock);
        async Task<bool> Accepts(string token) => (await verifier.VerifyAsync(token, CancellationToken.None)).Token is not null;

        var old = issuer.TokenFor(Ada);
        Assert.True(await Accepts(old));
        issuer.Rotate();
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.True(await Accepts(issuer.TokenFor(Ada)));
        Assert.True(await Accepts(old));
        issuer.Rotate(forgetOld: true);
        clock.Advance(TimeSpan.FromMinutes(5.1));
        Assert.False(await Accepts(old));
        Assert.True(await Accepts(issuer.TokenFor(Ada)));
    }

    [Fact]
    public async Task Unknown_keys_do_not_become_a_load_on_the_issuer()
    {
        await using var issuer = await TestIdentity.StartAsync();
        using var http = new HttpClient();
        var clock = new ManualClock();
        using var keys = new JwksCache(http, issuer.Jwks, clock);
        var verifier = new TokenVerifier(keys, TestIdentity.Issuer, "notebook", clock);
        for (var i = 0; i < 50; i++)
            await verifier.VerifyAsync(issuer.Sign(With(issuer.Header(), "kid", $"unknown {i}"), TestIdentity.Claims(Ada)), CancellationToken.None);
        Assert.Equal(1, issuer.Fetches);
    }

    [Fact]
    public async Task While_no_key_was_ever_seen_a_good_token_is_put_off_and_not_refused()
    {
        await using var issuer = await TestIdentity.StartAsync();
        using var http = new HttpClient();
        var clock = new ManualClock();
        using var keys = new JwksCache(http, new Uri("http://127.0.0.1:9/jwks.json"), clock);
        var verifier = new TokenVerifier(keys, TestIdentity.Issuer, "notebook", clock);
        var problem = await Assert.ThrowsAsync<ProblemException>(async () => await verifier.VerifyAsync(issuer.TokenFor(Ada), CancellationToken.None));
        Assert.Equal((503, "temporarily-unavailable"), (problem.Status, problem.Type));
    }

    private async Task<HttpStatusCode> TryAsync(string token)
    {
        using var response = await SendAsync(token);
        return response.StatusCode;
    }

    private Task<HttpResponseMessage> SendAsync(string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/notebook/v1/notes");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        return notebook.Http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static long Now(int seconds) => DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds;
    private static string Header(TestIdentity id, string name, object value) => TestIdentity.Encode(With(id.Header(), name, value));

    private static Dictionary<string, object> With(Dictionary<string, object> json, string name, object value)
    {
        json[name] = value;
        return json;
    }

    private static Dictionary<string, object> Without(Dictionary<string, object> json, string name)
    {
        json.Remove(name);
        return json;
    }

    private static string HmacWithPublicKey(TestIdentity id)
    {
        var signed = $"{Header(id, "alg", "HS256")}.{TestIdentity.Encode(TestIdentity.Claims(Ada))}";
        using var key = ECDsa.Create(id.PublicKey);
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.ASCII.GetBytes(key.ExportSubjectPublicKeyInfoPem()), Encoding.ASCII.GetBytes(signed)))}";
    }

    private static string EmbeddedKey(TestIdentity id)
    {
        var mine = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = mine.ExportParameters(false).Q;
        return id.Sign(With(Without(id.Header(), "kid"), "jwk", new
        {
            kty = "EC", crv = "P-256", x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y),
        }), TestIdentity.Claims(Ada), mine);
    }

    private static string DuplicatedClaim(TestIdentity id)
    {
        var claims = System.Text.Json.JsonSerializer.Serialize(TestIdentity.Claims(Ada));
        using var twice = System.Text.Json.JsonDocument.Parse(claims.Insert(1, $"\"sub\":\"{Guid.NewGuid()}\","));
        return id.Sign(id.Header(), twice.RootElement);
    }

    private static string ChangedPayload(TestIdentity id)
    {
        var parts = id.TokenFor(Ada).Split('.');
        return $"{parts[0]}.{TestIdentity.Encode(TestIdentity.Claims(Guid.NewGuid()))}.{parts[2]}";
    }

    private static string Resigned(string token, byte[] signature) =>
        $"{token[..token.LastIndexOf('.')]}.{Base64Url.EncodeToString(signature)}";
}

/// <summary>A clock that a test moves; timers fire at once, so that nothing waits.</summary>
public sealed class ManualClock : TimeProvider
{
    private DateTimeOffset now = DateTimeOffset.UtcNow;
    public override DateTimeOffset GetUtcNow() => now;
    public void Advance(TimeSpan by) => now += by;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, TimeSpan.Zero, period);
}
