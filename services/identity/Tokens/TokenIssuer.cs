using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OpenReadings.Identity.Keys;

namespace OpenReadings.Identity.Tokens;

/// <summary>What an access token shall say, beyond what every token says.</summary>
/// <param name="Subject">Whose rows it opens.</param>
/// <param name="ClientId">The program it was given to.</param>
/// <param name="Audience">Who may accept it.</param>
/// <param name="Scope">What it is good for, separated by spaces.</param>
/// <param name="LoginId">The login it follows from; none for a service that acts for the person.</param>
/// <param name="AuthenticatedAt">When the person last proved who they are.</param>
/// <param name="Actor">The service that acts for the person.</param>
/// <param name="Roles">What the person may do beyond their own rows, separated by spaces; for our own program only.</param>
public sealed record Grant(
    Guid Subject, string ClientId, string Audience, string Scope, Guid? LoginId = null,
    DateTimeOffset? AuthenticatedAt = null, string? Actor = null, string? Roles = null);

/// <summary>What an ID token shall say; what is null it does not.</summary>
public sealed record IdToken(
    string ClientId, Guid Subject, DateTimeOffset AuthenticatedAt, Guid LoginId, string AccessToken, string? Nonce, string? Name, string? Zoneinfo, string? Email, bool? EmailVerified);

/// <summary>What an ID token that comes back says: for which application, whom, and which login.</summary>
public sealed record IdTokenHint(string ClientId, Guid Subject, Guid LoginId);

/// <summary>Issues ID tokens, and RFC 9068 access tokens: ES256, ten minutes.</summary>
public sealed class TokenIssuer(KeyRing keys, IConfiguration config, TimeProvider clock)
{
    public const string People = "openreadings";
    public const string PeoplesScope =
        "openid profile readings:read readings:write sync:read sync:write catalog:read catalog:write";
    public const int LivesForSeconds = 600;
    private static readonly JsonSerializerOptions Compact = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,  // "at+jwt" and not "at\u002Bjwt": no page ever shows it
    };

    /// <summary>The public name of this issuer, exactly as its tokens and its discovery document say it.</summary>
    public string Issuer { get; } = (config["Identity:Issuer"] ?? "").TrimEnd('/');

    public string Issue(Grant grant)
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        var claims = Encode(new
        {
            Iss = Issuer, Aud = grant.Audience, Sub = grant.Subject, grant.ClientId,
            Iat = now, Nbf = now, Exp = now + LivesForSeconds, Jti = Guid.NewGuid(),
            grant.Scope, Sid = grant.LoginId, AuthTime = grant.AuthenticatedAt?.ToUnixTimeSeconds(),
            Roles = grant.Roles is { Length: > 0 } roles ? roles.Split(' ') : null,
            Act = grant.Actor is null ? null : new { Sub = grant.Actor },
        });
        return Sign("at+jwt", claims);
    }

    /// <summary>Tells an application who signed in, how and when (OpenID Connect Core §2). It opens nothing here.</summary>
    public string IssueIdToken(IdToken about)
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        return Sign("JWT", Encode(new
        {
            Iss = Issuer, Aud = about.ClientId, Sub = about.Subject, Iat = now, Exp = now + LivesForSeconds, AuthTime = about.AuthenticatedAt.ToUnixTimeSeconds(),
            about.Nonce, Sid = about.LoginId, AtHash = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(about.AccessToken)).AsSpan(0, 16)),
            about.Name, about.Zoneinfo, about.Email, about.EmailVerified,
        }));
    }

    /// <summary>Signs what we stand by for others to keep (JWS, ES256).</summary>
    /// <param name="type">The header's typ: never one of those of tokens.</param>
    /// <param name="said">The content.</param>
    public string SignStatement<T>(string type, T said) => Sign(type, Encode(said));

    /// <summary>Whom an ID token of ours is about, expired or not: it comes back when somebody signs out. Null where it is not ours.</summary>
    public IdTokenHint? ReadIdToken(string token)
    {
        try
        {
            if (token.Split('.') is not [var header, var claims, var signature]) return null;
            using var head = JsonDocument.Parse(Base64Url.DecodeFromChars(header));
            using var said = JsonDocument.Parse(Base64Url.DecodeFromChars(claims));
            if (head.RootElement.GetProperty("alg").GetString() != "ES256" || head.RootElement.GetProperty("typ").GetString() != "JWT") return null;
            if (keys.Find(head.RootElement.GetProperty("kid").GetString()!)?.IsSignature(Encoding.ASCII.GetBytes($"{header}.{claims}"), Base64Url.DecodeFromChars(signature)) != true) return null;
            string Text(string name) => said.RootElement.GetProperty(name).GetString()!;
            return Text("iss") == Issuer ? new(Text("aud"), Guid.Parse(Text("sub")), Guid.Parse(Text("sid"))) : null;
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    private string Sign(string type, string claims)
    {
        var key = keys.Current();
        var content = $"{Encode(new { Alg = "ES256", Typ = type, key.Row.Kid })}.{claims}";
        return $"{content}.{Base64Url.EncodeToString(key.Sign(Encoding.ASCII.GetBytes(content)))}";
    }

    private static string Encode<T>(T value) =>
        Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value, Compact));
}
