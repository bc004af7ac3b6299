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

        // In one round trip: while many sign in, everybody else feels each of them.
        var begun = Begun.Of(http, person, clock.GetUtcNow());
        await using var batch = database.Batch(person.UserId).Add(NewLogin.Sql, begun.Login.Arguments).Add(Begun.Sql, begun.Arguments);
        bool hasBegun;
        string? roles = null;
        await using (var reader = await batch.ExecuteReaderAsync(ct))
        {
            hasBegun = await reader.ReadAsync(ct);
            if (hasBegun && !reader.IsDBNull(0)) roles = reader.GetString(0);
            await reader.NextResultAsync(ct);                   // to the end: it holds only once it is committed
        }
        return hasBegun ? TypedResults.Ok(begun.Tokens(tokens, roles, http.Response)) : Credentials.Refused();
    }

    /// <summary>The login of our own program, and its first tokens. Null where the password is not any more the one that was checked.</summary>
    internal static async Task<LoginTokens?> BeginAsync(UserTransaction db, HttpContext http, ProvenPerson person, TokenIssuer tokens, DateTimeOffset now)
    {
        var begun = Begun.Of(http, person, now);
        if (await db.ExecuteAsync(NewLogin.Sql, begun.Login.Arguments) == 0) return null;
        return begun.Tokens(tokens, await db.ScalarAsync<string>(Begun.Sql, begun.Arguments), http.Response);
    }

    /// <summary>A login that a refresh token keeps going.</summary>
    private sealed record Begun(ProvenPerson Person, NewLogin Login, RefreshToken Next, DateTimeOffset At)
    {
        /// <summary>Answers with the person's roles, and with no row where no login has begun.</summary>
        public const string Sql =
            """
            insert into refresh_tokens (login_id, token_hash)
            select login_id, @next from logins where login_id = @LoginId
            returning (select string_agg(role, ' ') from roles)
            """;

        public object Arguments => new { Login.LoginId, next = Next.Hash };

        public static Begun Of(HttpContext http, ProvenPerson person, DateTimeOffset now) =>
            new(person, NewLogin.Of(http, person, TokenIssuer.People, TokenIssuer.PeoplesScope, now), RefreshToken.New(), now);

        public LoginTokens Tokens(TokenIssuer tokens, string? roles, HttpResponse response)
        {
            var grant = new Grant(Person.UserId, TokenIssuer.People, TokenIssuer.People, TokenIssuer.PeoplesScope, Login.LoginId, At, Roles: roles);
            return LoginTokens.Of(tokens, grant, Next, response) with { RecoveryCodesLeft = Person.RecoveryCodesLeft };
        }
    }
}
