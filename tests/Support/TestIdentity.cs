using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OpenReadings.Chassis;

namespace OpenReadings.Support;

/// <summary>An issuer with keys of its own and a JWKS on loopback: for suites of one service without <c>identity</c>.</summary>
public sealed class TestIdentity : IAsyncDisposable
{
    public const string Issuer = "http://test.invalid/identity";
    private readonly WebApplication app;
    private readonly List<(string Kid, ECDsa Key)> keys = [NewKey()];

    private TestIdentity(WebApplication app) => this.app = app;

    public Uri Jwks => new($"{app.Urls.First()}/jwks.json");

    /// <summary>What the services are told was revoked.</summary>
    public System.Collections.Concurrent.ConcurrentBag<Revocations.Revocation> Revoked { get; } = [];

    /// <summary>How often the JWKS was asked for.</summary>
    public int Fetches { get; private set; }

    public static async Task<TestIdentity> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var identity = new TestIdentity(builder.Build());
        identity.app.MapGet("/jwks.json", () =>
        {
            identity.Fetches++;
            return Results.Json(new { keys = identity.keys.Select(key => Jwk(key.Kid, key.Key)) });
        });
        identity.app.MapGet("/v1/revocations", () => Results.Text(JsonSerializer.Serialize(new Revocations.Answer([.. identity.Revoked], "0"), Chassis.Json.Options), "application/json"));
        await identity.app.StartAsync();
        return identity;
    }

    /// <summary>A new key signs from now on; the old ones stay published unless told otherwise.</summary>
    public void Rotate(bool forgetOld = false)
    {
        if (forgetOld) keys.Clear();
        keys.Insert(0, NewKey());
    }

    public string TokenFor(Guid user, string audience = "openreadings", string scope = AllScopes, string? actor = null) =>
        Sign(Header(), Claims(user, audience, scope, actor));

    public const string AllScopes = "openid profile readings:read readings:write sync:read sync:write catalog:read";

    public Dictionary<string, object> Header() => new() { ["alg"] = "ES256", ["typ"] = "at+jwt", ["kid"] = keys[0].Kid };

    public static Dictionary<string, object> Claims(Guid user, string audience = "openreadings", string scope = AllScopes, string? actor = null)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = Issuer, ["aud"] = audience, ["sub"] = user.ToString(), ["client_id"] = "openreadings", ["iat"] = now, ["nbf"] = now, ["exp"] = now + 600,
            ["jti"] = Guid.NewGuid().ToString(), ["sid"] = Guid.NewGuid().ToString(), ["scope"] = scope,
        };
        if (actor is not null) claims["act"] = new { sub = actor };
        return claims;
    }

    /// <summary>Signs whatever it is given, with the current key or the given one: forgeries are made here.</summary>
    public string Sign(object header, object claims, ECDsa? key = null)
    {
        var signed = $"{Encode(header)}.{Encode(claims)}";
        var signature = (key ?? keys[0].Key).SignData(
            Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    public static string Encode(object json) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(json));

    public ECParameters PublicKey => keys[0].Key.ExportParameters(false);

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private static (string, ECDsa) NewKey() => (Guid.NewGuid().ToString("N"), ECDsa.Create(ECCurve.NamedCurves.nistP256));

    private static object Jwk(string kid, ECDsa key)
    {
        var point = key.ExportParameters(false).Q;
        return new
        {
            kty = "EC", crv = "P-256", use = "sig", alg = "ES256", kid, x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y),
        };
    }
}
