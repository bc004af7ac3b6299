using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>Tokens for a code that a person has read out. Wrong ones are counted for the application and the place.</summary>
public static class PairingCodeGrant
{
    public const string GrantType = "urn:openreadings:grant-type:pairing-code";

    private sealed record Taken(Guid Person, string Scope, DateTimeOffset AuthenticatedAt);

    public static async Task<TokenEndpoint.Response> GrantAsync(
        Application application, Form form, Database database, UserCodeBudget budget, TokenIssuer tokens, HttpContext http, CancellationToken ct)
    {
        var code = AuthorizeDevice.Plain(form.Require("code"));
        if (!budget.Take(application, RateLimits.NetworkOf(http))) throw new RefusedException("slow_down", "Too many codes were wrong. Wait for some minutes.");
        Taken? taken;
        await using (var unowned = await database.BeginUnownedAsync(ct))
        {
            taken = await unowned.FindAsync<Taken>("select person, scope, authenticated_at from take_pairing_code(@hash, @ClientId)", new { hash = Application.HashOf(code), application.ClientId });
            await unowned.CommitAsync();
        }
        if (taken is null) throw new RefusedException("invalid_grant", "The code is unknown, expired or used, or it is for another application.");
        budget.Return(application, RateLimits.NetworkOf(http));
        await using var db = await database.BeginAsync(taken.Person, ct);
        var answer = await ApplicationLogin.BeginAsync(db, application, taken.Person, taken.Scope, taken.AuthenticatedAt, null, OrderedId.Next(), tokens, http)
            ?? throw new RefusedException("invalid_grant", "The person has taken it back.");
        await db.CommitAsync();
        return answer;
    }
}
