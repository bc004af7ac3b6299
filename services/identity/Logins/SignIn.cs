using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Logins;

/// <summary>
/// Begins a login. Tries are limited by e-mail address and place, whether anybody has that address or not. Whether the address is unknown, the password wrong or the account disabled: the same work is done
/// and the same answer given.
/// </summary>
public static class SignIn
{
    public sealed record Request(
        [Required] string Email, [Required, StringLength(PasswordRules.LongestUtf16)] string Password);

    private sealed record Known(Guid UserId, string Hash, bool IsDisabled);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/logins", HandleAsync)
        .WithName("SignIn")
        .WithSummary("Signs in: an access token for ten minutes, and a refresh token that gets the next pair, once.")
        .WithExample(
            request: """{"email": "ada@example.org", "password": "Correct horse 7"}""",
            response: LoginTokens.Example);

    private static async Task<Results<Ok<LoginTokens>, ProblemHttpResult>> HandleAsync(
        Request login, Database database, PasswordHasher passwords, SignInBudget budget, TokenIssuer tokens,
        TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(login.Email, out var email)) email = new EmailAddress("", "");
        var place = RateLimits.NetworkOf(http);
        var (known, isFamiliar) = await FindAsync(database, email, place, ct);
        if (budget.Take(email.Key, place, isFamiliar) is { } wait) return SignInBudget.Refuse(http, wait);
        var isRight = await passwords.IsRightAsync(known?.Hash, login.Password, ct);
        if (!isRight || known is null or { IsDisabled: true }) return Refused();
        budget.Forgive(email.Key, place, isFamiliar);

        var hash = Argon2.IsOutdated(known.Hash) ? await passwords.HashAsync(login.Password, ct) : known.Hash;
        var device = Device.Of(http.Request);
        var (loginId, next, now) = (Guid.CreateVersion7(), RefreshToken.New(), clock.GetUtcNow());
        await using var db = await database.BeginAsync(known.UserId, ct);
        if (hash != known.Hash)
            await db.ExecuteAsync(
                "update passwords set hash = @hash where hash = @was", new { hash, was = known.Hash });
        // Only while the password is the one that was checked: a login must not slip in behind a change of password.
        var begun = await db.ExecuteAsync(
            """
            with proven as (
                select user_id from passwords where hash = @hash for share),
            begun as (
                insert into logins (user_id, login_id, client_id, scope, authenticated_at, expires_at, device, address)
                select user_id, @loginId, @client, @scope, @now, @now + interval '90 days', @device, @place::cidr from proven
                returning user_id, login_id)
            insert into refresh_tokens (user_id, login_id, token_hash)
            select user_id, login_id, @next from begun
            """,
            new
            {
                hash, loginId, client = TokenIssuer.People, scope = TokenIssuer.PeoplesScope, now, next = next.Hash,
                device, place = place.ToString(),
            });
        if (begun == 0) return Refused();
        await db.ExecuteAsync(
            """
            insert into familiar_addresses (address) values (@place::cidr)
            on conflict (user_id, address) do update set last_used_at = now()
            """, new { place = place.ToString() });
        await db.NoteAsync(http, Entry.SignedIn, loginId, new { device });
        await db.CommitAsync();
        var grant = new Grant(
            known.UserId, TokenIssuer.People, TokenIssuer.People, TokenIssuer.PeoplesScope, loginId, now);
        return TypedResults.Ok(LoginTokens.Of(tokens, grant, next, http.Response));
    }

    private static async Task<(Known? Known, bool IsFamiliar)> FindAsync(
        Database database, EmailAddress email, IPNetwork place, CancellationToken ct)
    {
        // Disposed before the hashing: nobody holds a connection while they wait for a core.
        await using var db = await database.BeginUnownedAsync(ct);
        var known = await db.FindAsync<Known>(
            "select user_id, hash, is_disabled from find_password(@Key)", new { email.Key });
        return (known, await db.ScalarAsync<bool>(
            "select is_familiar(@Key, @place::cidr)", new { email.Key, place = place.ToString() }));
    }

    private static ProblemHttpResult Refused() =>
        Problems.Of(401, "invalid-credentials", "The e-mail address or the password is wrong.");
}
