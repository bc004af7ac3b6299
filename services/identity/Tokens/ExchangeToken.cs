using OpenReadings.Chassis;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Tokens;

/// <summary>
/// Gives one of our services a token for a person, for one other service (RFC 8693): an import runs for hours after the
/// person's own token has expired. The token says who acts, and a deleted or disabled account gets none.
/// </summary>
public static class ExchangeToken
{
    public const string GrantType = "urn:ietf:params:oauth:grant-type:token-exchange";
    private const string AccountId = "urn:openreadings:token-type:account-id";
    private const string AccessToken = "urn:ietf:params:oauth:token-type:access_token";

    // Which service may act where, and for what.
    internal static readonly Dictionary<(string Client, string Audience), string[]> Allowed = new()
    {
        [("sync", "readings")] = ["readings:read", "readings:write"],
    };

    public static async Task<TokenEndpoint.Response> GrantAsync(string client, Form form, Database database, TokenIssuer tokens, CancellationToken ct)
    {
        if (form["subject_token_type"] != AccountId) throw new RefusedException("invalid_request", $"The subject token type is not {AccountId}.");
        if (form["audience"] is not { } audience || !Allowed.TryGetValue((client, audience), out var scopes))
            throw new RefusedException("invalid_target", "The client may not act there.");
        var wanted = Scope.Split(form["scope"]);
        if (wanted.Length == 0 || wanted.Except(scopes).Any()) throw new RefusedException("invalid_scope", "The client may not ask for this scope.");
        if (!Guid.TryParseExact(form["subject_token"], "D", out var account) || !await IsActiveAsync(database, account, ct))
            throw new RefusedException("invalid_grant", "There is no such account.");

        var scope = string.Join(' ', wanted);
        return new(tokens.Issue(new Grant(account, client, audience, scope, Actor: client)), "Bearer", TokenIssuer.LivesForSeconds, scope) { IssuedTokenType = AccessToken };
    }

    private static async Task<bool> IsActiveAsync(Database database, Guid account, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(account, ct);
        return await db.ScalarAsync<bool>("select exists (select from accounts where disabled_at is null)");
    }
}
