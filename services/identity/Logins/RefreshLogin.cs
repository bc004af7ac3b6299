using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Logins;

/// <summary>
/// Exchanges a refresh token for the next pair. A token works once: one that comes again was copied, so its whole login
/// ends, whoever holds the newest pair (docs/decisions/0009-refresh-tokens-work-once.md).
/// </summary>
public static class RefreshLogin
{
    public sealed record Request([Required, StringLength(200)] string RefreshToken);

    public sealed record Family(Guid UserId, Guid LoginId);

    private sealed record Presented(
        string Scope, DateTimeOffset AuthenticatedAt, bool IsUsed, bool IsOver, string? Roles);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/logins/refresh", HandleAsync)
        .WithName("RefreshLogin")
        .WithSummary("The next pair of tokens. A refresh token works once; sending it again ends its login.")
        .WithExample(request: """{"refresh_token": "rt_7Jm0nU3f…"}""", response: LoginTokens.Example);

    private static async Task<Results<Ok<LoginTokens>, ProblemHttpResult>> HandleAsync(
        Request request, Database database, TokenIssuer tokens, ILogger<LoginTokens> log, HttpContext http,
        CancellationToken ct) => await NextAsync(request.RefreshToken, TokenIssuer.People, database, log, http, ct) switch
        {
            { Next: { } next, Grant: { } grant } => TypedResults.Ok(LoginTokens.Of(tokens, grant, next, http.Response)),
            { WasUsed: true } => Problems.Of(401, "token-reused",
                "This refresh token was used before, so it may have been stolen. The login is ended: sign in again."),
            _ => Problems.Of(401, "invalid-refresh-token", "The refresh token is unknown or expired, or its login has ended."),
        };

    /// <summary>What follows from a refresh token: the next one and what its access token shall say, or neither.</summary>
    public sealed record Following(RefreshToken? Next = null, Grant? Grant = null, bool WasUsed = false, bool AsksTooMuch = false);

    /// <summary>Uses a refresh token. One of another client is no refresh token at all; one with which more is wanted than was allowed stays good.</summary>
    public static async Task<Following> NextAsync(
        string refreshToken, string client, Database database, ILogger log, HttpContext http, CancellationToken ct, params string[] wanted)
    {
        var (presented, next) = (new RefreshToken(refreshToken).Hash, RefreshToken.New());
        if (await FamilyAsync(database, presented, ct) is not { } family) return new();

        await using var db = await database.BeginAsync(family.UserId, ct);
        // One at a time in each login: of two requests with one token, the second sees that the first has used it.
        await db.ExecuteAsync("select from logins where login_id = @LoginId for update", family);
        var found = await db.FindAsync<Presented>(
            """
            select scope, authenticated_at, used_at is not null as is_used,
                ended_at is not null or expires_at <= now() or issued_at <= now() - interval '30 days'
                or disabled_at is not null as is_over,
                (select string_agg(role, ' ') from roles) as roles
            from refresh_tokens
            join logins using (user_id, login_id)
            join accounts using (user_id)
            where token_hash = @presented and client_id = @client
            """, new { presented, client });
        if (found is null) return new();
        if (found.IsUsed) return await EndAsync(db, family, http, log);
        if (found.IsOver) return new();
        if (!Scope.Covers(found.Scope, wanted)) return new(AsksTooMuch: true);

        await db.ExecuteAsync(
            """
            with used as (
                update refresh_tokens set used_at = now() where token_hash = @presented returning user_id, login_id),
            issued as (
                insert into refresh_tokens (user_id, login_id, token_hash) select user_id, login_id, @next from used)
            update logins set last_used_at = now(), address = @place::cidr, device = coalesce(@device, device) where login_id = @LoginId
            """,
            new
            {
                presented, next = next.Hash, family.LoginId, place = RateLimits.NetworkOf(http).ToString(), device = Device.Of(http.Request),
            });
        await db.CommitAsync();
        return new(next, new Grant(
            family.UserId, client, TokenIssuer.People, found.Scope, family.LoginId, found.AuthenticatedAt, Roles: client == TokenIssuer.People ? found.Roles : null));
    }

    public static async Task<Family?> FamilyAsync(Database database, byte[] presented, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.FindAsync<Family>(
            "select user_id, login_id from find_refresh_token(@presented)", new { presented });
    }

    private static async Task<Following> EndAsync(UserTransaction db, Family family, HttpContext http, ILogger log)
    {
        var ended = await db.ExecuteAsync(
            """
            update logins set ended_at = now(), ended_because = 'token-reused'
            where login_id = @LoginId and ended_at is null
            """, family);
        if (ended > 0) await db.NoteAsync(http, Entry.TokenReused, family.LoginId);
        await db.CommitAsync();
        log.LogWarning(
            "A used refresh token came again: login {LoginId} of account {UserId} is ended",
            family.LoginId, family.UserId);
        return new(WasUsed: true);
    }
}
