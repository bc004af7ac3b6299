using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.OAuth;

/// <summary>
/// Makes a code with which an application comes in that a person can type something into: they read it out, it asks for tokens with it. Good for
/// ten minutes, once, for that application.
/// </summary>
public static class Pair
{
    // Twelve letters, 52 bits: a million places that try twenty codes each, of ten thousand that are good, find one in twenty thousand times. So
    // tries are counted by place alone, and nobody uses up those of others.
    private const int Most = 5, GoodForSeconds = 600, Length = 12;

    public sealed record Request(Guid ClientId, string[]? Scopes);
    public sealed record Response(string Code, int ExpiresIn);

    private sealed record Login(DateTimeOffset AuthenticatedAt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/me/pairings", HandleAsync).RequireRateLimiting(RateLimits.Sensitive)
        .WithName("Pair").WithSummary("A code to type into an application, which gets tokens for it (grant type urn:openreadings:grant-type:pairing-code). Allows what 'scopes' says. Takes a recent proof.")
        .WithExample(request: """{"client_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "scopes": ["readings:write", "offline_access"]}""", response: """{"code": "BCDF-GHJK-LMNP", "expires_in": 600}""");

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(Request wanted, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        if (await Application.FindAsync(database, wanted.ClientId.ToString(), ct) is not { } application) return Problems.Of(404, "application-not-found", "There is no such application.");
        if (wanted.Scopes is null or [] || !Scope.Covers(application.Scope, wanted.Scopes))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/scopes", "invalid-scopes", $"This application may ask for {string.Join(", ", Scope.Split(application.Scope))}."));
        var code = AuthorizeDevice.NewUserCode(Length);
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        var login = await db.FindAsync<Login>("select authenticated_at from logins where login_id = @loginId and ended_at is null", new { loginId = Entry.LoginOf(user) });
        if (login is null) return Accounts.Account.Gone();
        if (await db.ScalarAsync<int>("select count(*)::int from pairing_codes where expires_at > now()") >= Most) return Problems.Of(429, "too-many-codes", $"There are {Most} codes that are good. Use one, or wait for some minutes.");
        await Consent.GiveAsync(db, http, application, wanted.Scopes, Entry.LoginOf(user)!.Value);
        await db.ExecuteAsync("insert into pairing_codes (code_hash, client_id, scope, authenticated_at) values (@hash, @ClientId, @scope, @AuthenticatedAt)",
            new { hash = Application.HashOf(code), application.ClientId, scope = string.Join(' ', wanted.Scopes.Distinct()), login.AuthenticatedAt });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new Response(AuthorizeDevice.Shown(code), GoodForSeconds));
    }
}
