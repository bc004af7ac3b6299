using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

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

    public sealed record Response(
        string AccessToken, string IssuedTokenType, string TokenType, int ExpiresIn, string Scope);

    /// <summary>The error of RFC 6749, because its clients read that and not problem details.</summary>
    public sealed record Refusal(string Error, string ErrorDescription);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/tokens", HandleAsync)
        .RequireRateLimiting(RateLimits.Clients)
        .Accepts<IFormCollection>("application/x-www-form-urlencoded")
        .WithName("ExchangeToken")
        .WithSummary("For services, by HTTP Basic: a token to act for a person at another service (RFC 8693).")
        .WithExample(
            request: "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
                + "&subject_token=0190f3d2-0001-7b00-8000-000000000007"
                + "&subject_token_type=urn%3Aopenreadings%3Atoken-type%3Aaccount-id"
                + "&audience=readings&scope=readings%3Awrite",
            response:
            """
            {"access_token": "eyJhbGciOiJFUzI1NiIs…",
             "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
             "token_type": "Bearer", "expires_in": 600, "scope": "readings:write"}
            """,
            requestType: "application/x-www-form-urlencoded");

    private static async Task<Results<Ok<Response>, JsonHttpResult<Refusal>>> HandleAsync(
        HttpContext http, KnownClients clients, Database database, TokenIssuer tokens, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        if (clients.ClientOf(http.Request) is not { } client)
        {
            http.Response.Headers.WWWAuthenticate = "Basic realm=\"tokens\"";
            return Refuse("invalid_client", "The client or its secret is wrong.", 401);
        }
        if (!http.Request.HasFormContentType) return Refuse("invalid_request", "The body is not a form.");
        var form = await http.Request.ReadFormAsync(ct);
        string Field(string name) => form[name] is [{ } only] ? only : "";

        if (Field("grant_type") != GrantType)
            return Refuse("unsupported_grant_type", $"The grant type is not {GrantType}.");
        if (Field("subject_token_type") != AccountId)
            return Refuse("invalid_request", $"The subject token type is not {AccountId}.");
        if (!Allowed.TryGetValue((client, Field("audience")), out var scopes))
            return Refuse("invalid_target", "The client may not act there.");
        var wanted = Field("scope").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (wanted.Length == 0 || wanted.Except(scopes).Any())
            return Refuse("invalid_scope", "The client may not ask for this scope.");
        if (!Guid.TryParseExact(Field("subject_token"), "D", out var account)
            || !await IsActiveAsync(database, account, ct))
            return Refuse("invalid_grant", "There is no such account.");

        var scope = string.Join(' ', wanted.Distinct());
        var token = tokens.Issue(new Grant(account, client, Field("audience"), scope, Actor: client));
        return TypedResults.Ok(new Response(token, AccessToken, "Bearer", TokenIssuer.LivesForSeconds, scope));
    }

    private static async Task<bool> IsActiveAsync(Database database, Guid account, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(account, ct);
        return await db.ScalarAsync<bool>("select exists (select from accounts where disabled_at is null)");
    }

    private static JsonHttpResult<Refusal> Refuse(string error, string description, int status = 400) =>
        TypedResults.Json(new Refusal(error, description), statusCode: status);
}
