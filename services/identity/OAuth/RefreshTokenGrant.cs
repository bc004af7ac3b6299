using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>The next tokens for a refresh token, which works once (decision 9). A narrower scope narrows the access token alone.</summary>
public static class RefreshTokenGrant
{
    public const string GrantType = "refresh_token";

    public static async Task<TokenEndpoint.Response> GrantAsync(
        Application application, Form form, Database database, TokenIssuer tokens, ILogger log, HttpContext http, CancellationToken ct)
    {
        var presented = form.Require("refresh_token");
        var wanted = Scope.Split(form["scope"]);
        var following = await RefreshLogin.NextAsync(presented, application.Id, database, log, http, ct, wanted);
        if (following.AsksTooMuch) throw new RefusedException("invalid_scope", "The scope is more than was allowed.");
        if (following is not { Next: { } next, Grant: { } grant })
            throw new RefusedException("invalid_grant", "The refresh token is unknown, expired or used, its login has ended, or it is of another client.");
        var scope = wanted.Length > 0 ? string.Join(' ', wanted) : grant.Scope;
        var access = tokens.Issue(grant with { Scope = scope });
        await using var db = await database.BeginAsync(grant.Subject, ct);
        return new(access, "Bearer", TokenIssuer.LivesForSeconds, scope)
        {
            RefreshToken = next.Value, IdToken = await ApplicationLogin.IdTokenAsync(db, application, grant.Subject, scope, grant.AuthenticatedAt!.Value, null, grant.LoginId!.Value, access, tokens),
        };
    }
}
