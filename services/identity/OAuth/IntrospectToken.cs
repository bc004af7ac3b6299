using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>
/// Says what a token is good for (RFC 7662). An application hears of its own tokens, our services of all. Everything else is not active,
/// and that is all that is said of it.
/// </summary>
public static class IntrospectToken
{
    public sealed record Response(bool Active)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Scope { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? ClientId { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? TokenType { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public long? Exp { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public long? Iat { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public Guid? Sub { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Iss { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Aud { get; init; }
    }

    private sealed record Refresh(Guid UserId, string ClientId, string Scope, DateTimeOffset IssuedAt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/tokens/introspect", HandleAsync)
        .RequireRateLimiting(RateLimits.Clients)
        .Accepts<IFormCollection>("application/x-www-form-urlencoded")
        .WithName("IntrospectToken").WithSummary("For programs with a secret: what one of their tokens is good for, access or refresh (RFC 7662).")
        .WithExample(
            request: "token=eyJhbGciOiJFUzI1NiIs",
            response:
            """
            {"active": true, "scope": "readings:read", "client_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "token_type": "Bearer", "exp": 1795770600, "iat": 1795770000,
             "sub": "01a1fac0-11d2-7b44-8a55-0f6d7c8b9a01", "iss": "https://readings.example/identity", "aud": "openreadings"}
            """,
            requestType: "application/x-www-form-urlencoded");

    private static async Task<Results<Ok<Response>, JsonHttpResult<Refusal>>> HandleAsync(
        HttpContext http, ClientAuthentication clients, TokenVerifier verifier, Revocations revocations, Database database, TokenIssuer tokens, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        try
        {
            var form = await Form.OfAsync(http.Request, ct);
            // A public application proves nothing: anybody could ask in its name whether a token that was found is good.
            if (await clients.OfAsync(http.Request, form, ct) is not { } client || client.Application is { IsPublic: true }) return Refusal.InvalidClient(http);
            var token = form.Require("token");
            var found = token.StartsWith(RefreshToken.Prefix, StringComparison.Ordinal)
                ? await OfRefreshAsync(token, database, tokens, ct)
                : await OfAccessAsync(token, verifier, revocations, tokens, ct);
            return TypedResults.Ok(found is not null && (client.Service is not null || found.ClientId == client.Application!.Id) ? found : new Response(false));
        }
        catch (RefusedException e)
        {
            return Refusal.Of(e.Error, e.Message);
        }
    }

    private static async Task<Response?> OfAccessAsync(string token, TokenVerifier verifier, Revocations revocations, TokenIssuer tokens, CancellationToken ct)
    {
        if (await verifier.VerifyAsync(token, ct) is not { Token: { } good } || revocations.Refuses(good)) return null;
        return new(true)
        {
            Scope = string.Join(' ', good.Scopes), ClientId = good.ClientId, TokenType = "Bearer", Exp = good.ExpiresAt.ToUnixTimeSeconds(), Iat = good.IssuedAt.ToUnixTimeSeconds(),
            Sub = good.Subject, Iss = tokens.Issuer, Aud = TokenIssuer.People,
        };
    }

    private static async Task<Response?> OfRefreshAsync(string token, Database database, TokenIssuer tokens, CancellationToken ct)
    {
        var presented = new RefreshToken(token).Hash;
        if (await RefreshLogin.FamilyAsync(database, presented, ct) is not { } family) return null;
        await using var db = await database.BeginAsync(family.UserId, ct);
        var found = await db.FindAsync<Refresh>(
            """
            select user_id, client_id, scope, issued_at
            from refresh_tokens
            join logins using (user_id, login_id)
            join accounts using (user_id)
            where token_hash = @presented and used_at is null and ended_at is null and expires_at > now() and issued_at > now() - interval '30 days' and disabled_at is null
            """, new { presented });
        return found is null ? null : new(true)
        {
            Scope = found.Scope, ClientId = found.ClientId, Sub = found.UserId, Iss = tokens.Issuer, Iat = found.IssuedAt.ToUnixTimeSeconds(), Exp = found.IssuedAt.AddDays(30).ToUnixTimeSeconds(),
        };
    }
}
