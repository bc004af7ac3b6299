using System.Buffers.Text;
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

/// <summary>Issues RFC 9068 access tokens: ES256, ten minutes.</summary>
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
        var key = keys.Current();
        var content = $"{Encode(new { Alg = "ES256", Typ = "at+jwt", key.Row.Kid })}.{claims}";
        return $"{content}.{Base64Url.EncodeToString(key.Sign(Encoding.ASCII.GetBytes(content)))}";
    }

    private static string Encode<T>(T value) =>
        Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value, Compact));
}
