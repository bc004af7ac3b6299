using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Chassis;

/// <summary>A token that was verified: who, through which program, for what, until when.</summary>
public sealed record VerifiedToken(
    Guid Subject, string? ClientId, string? Actor, string? LoginId, string[] Scopes, DateTimeOffset IssuedAt, DateTimeOffset ExpiresAt, string KeyId)
{
    /// <summary>What the person may do beyond their own rows: administrator, moderator.</summary>
    public string[] Roles { get; init; } = [];

    /// <summary>Of an API key: the subject is an id of its own, and no person.</summary>
    public bool ActsAsItself { get; init; }

    internal Guid PersonMark { get; } = Revocations.Mark("person", Subject);
    internal Guid LoginMark { get; } = Guid.TryParse(LoginId, out var login) ? Revocations.Mark("login", login) : default;
}

/// <summary>
/// Verifies RFC 9068 access tokens signed with ES256. One algorithm, one curve, keys only from our own issuer's JWKS:
/// what a token's header claims about algorithms or keys decides nothing.
/// </summary>
public sealed class TokenVerifier(JwksCache keys, string issuer, string service, TimeProvider clock)
{
    public const string PeopleAudience = "openreadings";
    private const int LongestToken = 8192, MostRemembered = 10_000;
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30), LongestLife = TimeSpan.FromHours(1);
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 8 };
    private readonly ConcurrentDictionary<string, VerifiedToken> remembered = new();

    /// <summary>The token's content, or null with the reason why it is refused. The reason names no secret.</summary>
    public async ValueTask<(VerifiedToken? Token, string? Refusal)> VerifyAsync(string token, CancellationToken ct)
    {
        if (token.Length > LongestToken) return (null, "The token is too long.");
        if (remembered.TryGetValue(token, out var known))
        {
            // A key that left the JWKS takes its tokens with it.
            if (known.ExpiresAt + Skew > clock.GetUtcNow() && keys.Has(known.KeyId)) return (known, null);
            remembered.TryRemove(token, out _);
        }
        try
        {
            var verified = await ReadAsync(token, ct);
            if (remembered.Count >= MostRemembered) remembered.Clear();
            remembered[token] = verified;
            return (verified, null);
        }
        catch (TokenRefusedException e)
        {
            return (null, e.Message);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException or ArgumentException)
        {
            return (null, "The token is malformed.");
        }
    }

    private async ValueTask<VerifiedToken> ReadAsync(string token, CancellationToken ct)
    {
        var parts = token.Split('.');
        Require(parts.Length == 3, "The token is malformed.");
        using var header = Decode(parts[0]);
        Require(Text(header, "alg") == "ES256", "The token's algorithm is not ES256.");
        Require(Text(header, "typ") is { } typ && typ.Equals("at+jwt", StringComparison.OrdinalIgnoreCase), "The token is not an access token.");
        Require(!header.RootElement.TryGetProperty("crit", out _), "The token has critical extensions.");
        var kid = Text(header, "kid");
        Require(kid is { Length: > 0 and <= 128 }, "The token names no key.");
        var signature = Base64Url.DecodeFromChars(parts[2]);
        Require(signature.Length == 64, "The token's signature is malformed.");
        Require(Base64Url.EncodeToString(signature) == parts[2], "The token's signature is malformed.");
        var key = await keys.FindAsync(kid!, ct);
        Require(key is not null && key.Verify(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature), "The token's signature is not ours.");

        using var claims = Decode(parts[1]);
        var now = clock.GetUtcNow();
        DateTimeOffset issued = Time(claims, "iat"), expires = Time(claims, "exp");
        Require(Text(claims, "iss") == issuer, "The token is from another issuer.");
        Require(Audiences(claims).Any(audience => audience == PeopleAudience || audience == service), "The token is for another audience.");
        Require(expires + Skew > now, "The token has expired.");
        Require(issued - Skew <= now, "The token was issued in the future.");
        Require(!claims.RootElement.TryGetProperty("nbf", out _) || Time(claims, "nbf") - Skew <= now, "The token is not valid yet.");
        Require(expires - issued <= LongestLife, "The token lives longer than it may.");
        Require(Guid.TryParseExact(Text(claims, "sub"), "D", out var subject), "The token has no subject.");
        var actor = claims.RootElement.TryGetProperty("act", out var act) ? act.GetProperty("sub").GetString() : null;
        return new VerifiedToken(
            subject, Text(claims, "client_id"), actor, Text(claims, "sid"), (Text(claims, "scope") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries),
            issued, expires, kid!)
        { Roles = claims.RootElement.TryGetProperty("roles", out var roles) ? [.. roles.EnumerateArray().Select(role => role.GetString()!)] : [] };
    }

    private static JsonDocument Decode(string part) => JsonDocument.Parse(Base64Url.DecodeFromChars(part), Strict);

    private static string? Text(JsonDocument json, string name) =>
        json.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static DateTimeOffset Time(JsonDocument json, string name) =>
        DateTimeOffset.FromUnixTimeSeconds(json.RootElement.GetProperty(name).GetInt64());

    private static IEnumerable<string?> Audiences(JsonDocument json) => json.RootElement.GetProperty("aud") switch
    {
        { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Select(one => one.GetString())],
        var one => [one.GetString()],
    };

    private static void Require(bool holds, string refusal)
    {
        if (!holds) throw new TokenRefusedException(refusal);
    }

    private sealed class TokenRefusedException(string refusal) : Exception(refusal);
}

/// <summary>
/// The issuer's public keys, fetched every five minutes and when a token names a key not seen yet (at most every five
/// seconds), so that keys rotate without a restart. While the issuer is away the last keys stay good.
/// </summary>
public sealed class JwksCache(HttpClient http, Uri address, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5), Patience = TimeSpan.FromSeconds(5);
    private readonly SemaphoreSlim fetching = new(1, 1);
    private FrozenDictionary<string, PublicKey> keys = FrozenDictionary<string, PublicKey>.Empty;
    private DateTimeOffset fetchedAt = DateTimeOffset.MinValue, triedAt = DateTimeOffset.MinValue;

    internal bool Has(string kid) => keys.ContainsKey(kid) && clock.GetUtcNow() - fetchedAt < Fresh;

    internal async ValueTask<PublicKey?> FindAsync(string kid, CancellationToken ct)
    {
        var known = keys.GetValueOrDefault(kid);
        if (known is not null && clock.GetUtcNow() - fetchedAt < Fresh) return known;
        await FetchAsync(ct);
        // Without any key nobody can say that a token is bad: the caller tries again and does not sign in anew.
        return keys.Count > 0
            ? keys.GetValueOrDefault(kid)
            : throw new ProblemException(503, "temporarily-unavailable", "The issuer's keys are not known yet. Try again.");
    }

    private async Task FetchAsync(CancellationToken ct)
    {
        if (!await fetching.WaitAsync(Patience, ct)) return;
        try
        {
            var now = clock.GetUtcNow();
            if (now - triedAt < Patience) return;            // unknown key ids must not become a load on the issuer
            triedAt = now;
            // Not the caller's token: one who hangs up must not spoil the try for the others.
            using var limit = new CancellationTokenSource(Patience);
            using var jwks = JsonDocument.Parse(await http.GetByteArrayAsync(address, limit.Token));
            keys = jwks.RootElement.GetProperty("keys").EnumerateArray()
                .Where(key => Text(key, "kty") == "EC" && Text(key, "crv") == "P-256" && Text(key, "use") is null or "sig")
                .ToFrozenDictionary(key => Text(key, "kid")!, key => new PublicKey(Text(key, "x")!, Text(key, "y")!));
            fetchedAt = now;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever ails the issuer, the last keys stay good, and a later request tries again.
        }
        finally
        {
            fetching.Release();
        }
    }

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    public void Dispose() => fetching.Dispose();

    /// <summary>A P-256 key. ECDsa is not made for several threads, so each verification borrows one.</summary>
    internal sealed class PublicKey
    {
        private readonly ECParameters parameters;
        private readonly ConcurrentBag<ECDsa> idle = [];

        public PublicKey(string x, string y)
        {
            parameters = new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = Base64Url.DecodeFromChars(x), Y = Base64Url.DecodeFromChars(y) },
            };
            idle.Add(ECDsa.Create(parameters));               // throws here when the point is not on the curve
        }

        public bool Verify(byte[] signed, byte[] signature)
        {
            if (!idle.TryTake(out var key)) key = ECDsa.Create(parameters);
            try { return key.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation); }
            finally { idle.Add(key); }
        }
    }
}
