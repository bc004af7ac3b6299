using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>The login of an application that a person has let in, and its first tokens.</summary>
public static class ApplicationLogin
{
    private sealed record Profile(string? Name, string TimeZone, string Email, bool EmailVerified);

    /// <summary>
    /// Begins it in the person's transaction. Null where the person is disabled, allows less by now, or has ended the login that let the
    /// application in: a code must not slip in behind a change of password, either.
    /// </summary>
    public static async Task<TokenEndpoint.Response?> BeginAsync(
        UserTransaction db, Application application, Guid person, string scope, DateTimeOffset authenticatedAt, string? nonce, Guid loginId, TokenIssuer tokens, HttpContext http)
    {
        var begun = await db.ExecuteAsync(
            """
            insert into logins (login_id, client_id, scope, authenticated_at, expires_at, device, address, methods)
            select @loginId, @Id, @scope, @authenticatedAt, now() + interval '90 days', @device, @place::cidr, own.methods
            from accounts
            join passwords using (user_id)
            join consents using (user_id)
            join logins own using (user_id)
            where disabled_at is null and consents.client_id = @ClientId and string_to_array(consents.scope, ' ') @> string_to_array(@scope, ' ')
              and own.authenticated_at = @authenticatedAt and own.client_id in (@People, @Client) and own.ended_at is null
            limit 1
            for share                                                         -- whoever takes back what this rests on ends this login too
            """, new { loginId, application.Id, application.ClientId, scope, authenticatedAt, TokenIssuer.People, BrowserSession.Client, device = Device.Of(http.Request), place = RateLimits.NetworkOf(http).ToString() });
        if (begun == 0) return null;
        RefreshToken? next = Scope.Covers(scope, ["offline_access"]) ? RefreshToken.New() : null;
        if (next is { } first) await db.ExecuteAsync("insert into refresh_tokens (login_id, token_hash) values (@loginId, @hash)", new { loginId, hash = first.Hash });
        var access = tokens.Issue(new Grant(person, application.Id, TokenIssuer.People, scope, loginId, authenticatedAt));
        return new(access, "Bearer", TokenIssuer.LivesForSeconds, scope)
        {
            RefreshToken = next?.Value, IdToken = await IdTokenAsync(db, application, person, scope, authenticatedAt, nonce, loginId, access, tokens),
        };
    }

    /// <summary>Null where the scope has no openid.</summary>
    public static async Task<string?> IdTokenAsync(
        UserTransaction db, Application application, Guid person, string scope, DateTimeOffset authenticatedAt, string? nonce, Guid loginId, string access, TokenIssuer tokens)
    {
        if (!Scope.Covers(scope, ["openid"])) return null;
        var profile = await db.FindAsync<Profile>("select name, time_zone, email, email_verified_at is not null as email_verified from accounts");
        var (named, mailed) = (Scope.Covers(scope, ["profile"]), Scope.Covers(scope, ["email"]));
        return tokens.IssueIdToken(new(application.Id, person, authenticatedAt, loginId, access, nonce,
            named ? profile!.Name : null, named ? profile!.TimeZone : null, mailed ? profile!.Email : null, mailed ? profile!.EmailVerified : null));
    }
}
