using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Logins;

/// <summary>Begins a login with an e-mail address, a password and, where the person has a second factor, a code.</summary>
public static class SignIn
{
    public sealed record Request(
        [Required] string Email, [Required, StringLength(PasswordRules.LongestUtf16)] string Password,
        [StringLength(SecondFactor.LongestCode)] string? Code);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/logins", HandleAsync)
        .WithName("SignIn")
        .WithSummary("Signs in: an access token for ten minutes, and a refresh token that gets the next pair, once. Refused with second-factor-required where a code is needed, too.")
        .WithExample(
            request: """{"email": "ada@example.org", "password": "Correct horse 7", "code": "287082"}""",
            response: LoginTokens.Example);

    private static async Task<Results<Ok<LoginTokens>, ProblemHttpResult>> HandleAsync(
        Request login, Credentials credentials, Database database, TokenIssuer tokens, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        var (person, refusal) = await credentials.CheckAsync(login.Email, login.Password, login.Code, http, ct);
        if (person is null) return refusal!;

        await using var db = await database.BeginAsync(person.UserId, ct);
        if (await BeginAsync(db, http, person, tokens, clock.GetUtcNow()) is not { } answer) return Credentials.Refused();
        await db.CommitAsync();
        return TypedResults.Ok(answer);
    }

    /// <summary>The login of our own program, and its first tokens. Null where the password is not any more the one that was checked.</summary>
    internal static async Task<LoginTokens?> BeginAsync(UserTransaction db, HttpContext http, ProvenPerson person, TokenIssuer tokens, DateTimeOffset now)
    {
        var next = RefreshToken.New();
        if (await NewLogin.BeginAsync(db, http, person, TokenIssuer.People, TokenIssuer.PeoplesScope, now) is not { } loginId) return null;
        await db.ExecuteAsync("insert into refresh_tokens (login_id, token_hash) values (@loginId, @next)", new { loginId, next = next.Hash });
        var roles = await db.ScalarAsync<string>("select string_agg(role, ' ') from roles");
        var grant = new Grant(
            person.UserId, TokenIssuer.People, TokenIssuer.People, TokenIssuer.PeoplesScope, loginId, now, Roles: roles);
        return LoginTokens.Of(tokens, grant, next, http.Response) with { RecoveryCodesLeft = person.RecoveryCodesLeft };
    }
}
