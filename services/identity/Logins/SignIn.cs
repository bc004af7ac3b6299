using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Logins;

/// <summary>Begins a login with an e-mail address and a password.</summary>
public static class SignIn
{
    public sealed record Request(
        [Required] string Email, [Required, StringLength(PasswordRules.LongestUtf16)] string Password);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/logins", HandleAsync)
        .WithName("SignIn")
        .WithSummary("Signs in: an access token for ten minutes, and a refresh token that gets the next pair, once.")
        .WithExample(
            request: """{"email": "ada@example.org", "password": "Correct horse 7"}""",
            response: LoginTokens.Example);

    private static async Task<Results<Ok<LoginTokens>, ProblemHttpResult>> HandleAsync(
        Request login, Credentials credentials, Database database, TokenIssuer tokens, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        var (person, refusal) = await credentials.CheckAsync(login.Email, login.Password, http, ct);
        if (person is null) return refusal!;

        var (next, now) = (RefreshToken.New(), clock.GetUtcNow());
        await using var db = await database.BeginAsync(person.UserId, ct);
        if (await NewLogin.BeginAsync(db, http, person, TokenIssuer.People, TokenIssuer.PeoplesScope, now) is not { } loginId) return Credentials.Refused();
        await db.ExecuteAsync("insert into refresh_tokens (login_id, token_hash) values (@loginId, @next)", new { loginId, next = next.Hash });
        var roles = await db.ScalarAsync<string>("select string_agg(role, ' ') from roles");
        await db.CommitAsync();
        var grant = new Grant(
            person.UserId, TokenIssuer.People, TokenIssuer.People, TokenIssuer.PeoplesScope, loginId, now, Roles: roles);
        return TypedResults.Ok(LoginTokens.Of(tokens, grant, next, http.Response));
    }
}
