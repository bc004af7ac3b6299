using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>Tokens for a code, once, for whoever asked for it and can show the other half of PKCE (RFC 7636, S256 only).</summary>
public static class AuthorizationCodeGrant
{
    public const string GrantType = "authorization_code";

    private sealed record Code(
        Guid ClientId, string RedirectUri, string Scope, string? Nonce, string Challenge, DateTimeOffset AuthenticatedAt, bool IsExpired, bool IsUsed, Guid? LoginId);

    public static async Task<TokenEndpoint.Response> GrantAsync(
        Application application, Form form, Database database, TokenIssuer tokens, HttpContext http, CancellationToken ct)
    {
        var refused = new RefusedException("invalid_grant", "The code is unknown, expired or used, or it was not given to this client for this redirect URI and this code verifier.");
        var (hash, redirectUri, verifier) = (Application.HashOf(form.Require("code")), form.Require("redirect_uri"), form.Require("code_verifier"));
        Guid? person;
        await using (var unowned = await database.BeginUnownedAsync(ct)) person = await unowned.ScalarAsync<Guid?>("select find_authorization_code(@hash)", new { hash });
        if (person is null) throw refused;

        await using var db = await database.BeginAsync(person.Value, ct);
        var code = await db.FindAsync<Code>(
            """
            select client_id, redirect_uri, scope, nonce, challenge, authenticated_at, created_at < now() - interval '1 minute' as is_expired, used_at is not null as is_used, login_id
            from authorization_codes
            where code_hash = @hash
            for update
            """, new { hash });
        // Who it was not given to cannot use it up.
        if (code is null || code.ClientId != application.ClientId) throw refused;
        if (code.IsUsed)
        {
            // It was seen by two: what the first got of it ends (RFC 6749 §4.1.2).
            await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'code-reused' where login_id = @LoginId and ended_at is null", code);
            await db.CommitAsync();
            throw refused;
        }
        var loginId = OrderedId.Next();
        await db.ExecuteAsync("update authorization_codes set used_at = now(), login_id = @loginId where code_hash = @hash", new { hash, loginId });
        if (code.IsExpired || code.RedirectUri != redirectUri || !IsRight(verifier, code.Challenge))
        {
            await db.CommitAsync();
            throw refused;
        }
        var answer = await ApplicationLogin.BeginAsync(db, application, person.Value, code.Scope, code.AuthenticatedAt, code.Nonce, loginId, tokens, http) ?? throw refused;
        await db.CommitAsync();
        return answer;
    }

    private static bool IsRight(string verifier, string challenge) =>
        verifier.Length is >= 43 and <= 128
        && CryptographicOperations.FixedTimeEquals(
            Encoding.ASCII.GetBytes(Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)))), Encoding.ASCII.GetBytes(challenge));
}
