using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.OAuth;

/// <summary>
/// Ends the login that a token is of, refresh or access (RFC 7009): a second later none of its tokens opens anything. A token that is unknown,
/// or of another client, is answered alike.
/// </summary>
public static class RevokeToken
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/tokens/revoke", HandleAsync)
        .RequireRateLimiting(RateLimits.Clients)
        .Accepts<IFormCollection>("application/x-www-form-urlencoded")
        .WithName("RevokeToken").WithSummary("For programs: ends the login of one of their tokens. 200 whatever the token is (RFC 7009).")
        .WithExample(request: "token=rt_7Jm0nU3f&client_id=01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", response: "{}", requestType: "application/x-www-form-urlencoded");

    private static async Task<Results<Ok<object>, JsonHttpResult<Refusal>>> HandleAsync(
        HttpContext http, ClientAuthentication clients, TokenVerifier verifier, Database database, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        try
        {
            var form = await Form.OfAsync(http.Request, ct);
            if (await clients.OfAsync(http.Request, form, ct) is not { Application: { } application }) return Refusal.InvalidClient(http);
            var token = form.Require("token");
            if (await LoginOfAsync(token, application, verifier, database, ct) is var (person, loginId))
            {
                await using var db = await database.BeginAsync(person, ct);
                await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'revoked' where login_id = @loginId and client_id = @Id and ended_at is null",
                    new { loginId, application.Id });
                await db.CommitAsync();
            }
            return TypedResults.Ok(new object());
        }
        catch (RefusedException e)
        {
            return Refusal.Of(e.Error, e.Message);
        }
    }

    private static async Task<(Guid Person, Guid LoginId)?> LoginOfAsync(string token, Application application, TokenVerifier verifier, Database database, CancellationToken ct)
    {
        if (token.StartsWith(RefreshToken.Prefix, StringComparison.Ordinal))
            return await RefreshLogin.FamilyAsync(database, new RefreshToken(token).Hash, ct) is { } family ? (family.UserId, family.LoginId) : null;
        return await verifier.VerifyAsync(token, ct) is { Token: { } good } && good.ClientId == application.Id && Guid.TryParse(good.LoginId, out var loginId)
            ? (good.Subject, loginId)
            : null;
    }
}
