using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using OpenReadings.Identity.Tests.OAuth;

namespace OpenReadings.Identity.Tests.External;

/// <summary>
/// An OpenID Connect issuer on loopback that lets in whomever it is told to, checks what a real one checks (client secret, redirect URI, PKCE,
/// one use of a code), and can be told to lie about one thing.
/// </summary>
public sealed class FakeProvider : IAsyncDisposable
{
    public const string ClientId = "or-client", ClientSecret = "not-for-any-log-0123456789abcdef";
    private readonly WebApplication app;
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ConcurrentDictionary<string, Dictionary<string, string>> codes = new();

    private FakeProvider(WebApplication app) => this.app = app;

    public string Issuer => app.Urls.First();
    public ECDsa Key => key;

    /// <summary>Who comes next.</summary>
    public Dictionary<string, object?> Person { get; set; } = [];

    /// <summary>Said by userinfo beside the subject.</summary>
    public Dictionary<string, object?> Info { get; set; } = [];

    /// <summary>Changes the claims of the next ID tokens.</summary>
    public Action<Dictionary<string, object?>> Lie { get; set; } = _ => { };

    /// <summary>Signs the next ID tokens; null for ES256 by the published key.</summary>
    public Func<Dictionary<string, object?>, string>? Signs { get; set; }

    /// <summary>Google gives one at the first sign-in only.</summary>
    public bool GivesRefreshToken { get; set; } = true;

    public Dictionary<string, string> LastRequest { get; private set; } = [];
    public ConcurrentBag<string> Revoked { get; } = [];
    public int TokenRequests { get; private set; }

    public static async Task<FakeProvider> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var fake = new FakeProvider(builder.Build());
        fake.app.MapGet("/.well-known/openid-configuration", () => Results.Json(new Dictionary<string, object>
        {
            ["issuer"] = fake.Issuer, ["authorization_endpoint"] = $"{fake.Issuer}/authorize", ["token_endpoint"] = $"{fake.Issuer}/token", ["userinfo_endpoint"] = $"{fake.Issuer}/userinfo",
            ["revocation_endpoint"] = $"{fake.Issuer}/revoke", ["jwks_uri"] = $"{fake.Issuer}/jwks", ["response_types_supported"] = new[] { "code" },
            ["id_token_signing_alg_values_supported"] = new[] { "ES256", "HS256", "none" },
        }));
        fake.app.MapGet("/jwks", () =>
        {
            var point = fake.key.ExportParameters(false).Q;
            return Results.Json(new { keys = new[] { new { kty = "EC", crv = "P-256", use = "sig", kid = "k", x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y) } } });
        });
        // Whoever a browser brings is let in at once.
        fake.app.MapGet("/authorize", (HttpRequest request) => Results.Redirect(fake.Answer($"{fake.Issuer}/authorize{request.QueryString}")));
        fake.app.MapPost("/token", async (HttpRequest request) => fake.Tokens(await request.ReadFormAsync()));
        fake.app.MapGet("/userinfo", (HttpRequest request) => request.Headers.Authorization == "Bearer not-for-any-log-access"
            ? Results.Json(new Dictionary<string, object?>(fake.Info) { ["sub"] = fake.Info.GetValueOrDefault("sub") ?? fake.Person["sub"] })
            : Results.StatusCode(401));
        fake.app.MapPost("/revoke", async (HttpRequest request) =>
        {
            var form = await request.ReadFormAsync();
            if (form["client_secret"] == ClientSecret) fake.Revoked.Add(form["token"]!);
            return Results.Ok();
        });
        await fake.app.StartAsync();
        return fake;
    }

    /// <summary>Where the browser is sent back to after the person was let in.</summary>
    public string Answer(string request, params (string Name, string? Value)[] changes)
    {
        LastRequest = QueryHelpers.ParseQuery(new Uri(request).Query).ToDictionary(one => one.Key, one => one.Value.ToString());
        var code = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
        codes[code] = LastRequest;
        var answer = new Dictionary<string, string?> { ["code"] = code, ["state"] = LastRequest["state"], ["iss"] = Issuer };
        foreach (var (name, value) in changes)
            if (value is null) answer.Remove(name);
            else answer[name] = value;
        return QueryHelpers.AddQueryString(LastRequest["redirect_uri"], answer);
    }

    private IResult Tokens(IFormCollection form)
    {
        TokenRequests++;
        if (form["client_id"] != ClientId || form["client_secret"] != ClientSecret || !codes.TryRemove(form["code"].ToString(), out var asked) || asked["redirect_uri"] != form["redirect_uri"]
            || Pkce.ChallengeOf(form["code_verifier"].ToString()) != asked["code_challenge"])
            return Results.Json(new { error = "invalid_grant" }, statusCode: 400);
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new Dictionary<string, object?>(Person) { ["iss"] = Issuer, ["aud"] = ClientId, ["iat"] = now, ["exp"] = now + 300, ["nonce"] = asked["nonce"] };
        Lie(claims);
        return Results.Json(new
        {
            access_token = "not-for-any-log-access", refresh_token = GivesRefreshToken ? $"not-for-any-log-refresh-{Person["sub"]}" : "", token_type = "Bearer", expires_in = 3600, id_token = Signs?.Invoke(claims) ?? Signed(claims, "ES256", Es256),
        });
    }

    public byte[] Es256(byte[] content) => key.SignData(content, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    public static byte[] Hs256(string secret, byte[] content) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), content);

    public static string Signed(Dictionary<string, object?> claims, string algorithm, Func<byte[], byte[]> sign)
    {
        // A shared secret has no name among the published keys.
        object header = algorithm == "HS256" ? new { alg = algorithm, typ = "JWT" } : new { alg = algorithm, typ = "JWT", kid = "k" };
        var content = $"{Encode(header)}.{Encode(claims)}";
        return $"{content}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(content)))}";
    }

    private static string Encode(object json) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(json));

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        key.Dispose();
    }
}
