using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// Makes an account. With an address that is taken, the account there does not change and the answer is the same:
/// nobody learns who has an account here (docs/decisions/0006-sign-up-tells-nothing.md).
/// </summary>
public static class SignUp
{
    /// <summary>Invitation: what follows <c>invitation=</c> in the link of the mail that somebody was invited with; needed where sign-up is by invitation only (SignUp:InvitationOnly).</summary>
    public sealed record Request(string? Email, string? Password, string? Name, string? TimeZone, string? Invitation = null);

    public sealed record Response(
        Guid AccountId, string Email, string? Name, string TimeZone, DateTimeOffset CreatedAt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/accounts", HandleAsync)
        .WithName("SignUp")
        .WithSummary("Makes an account; sign in afterwards, where SignIn:ConfirmedOnly is set once the address is confirmed.")
        .WithDescription(
            "Signing up with an address that has an account already is answered in the same way and changes nothing "
            + "there: nobody learns from here who has an account. A program that is not sure whether its first try "
            + "arrived signs in: "
            + "401 then means that the account has another password.")
        .WithExample(
            request:
            """
            {"email": "ada@example.org", "password": "Correct horse 7", "name": "Ada", "time_zone": "Europe/Ljubljana"}
            """,
            response:
            """
            {"account_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "email": "ada@example.org", "name": "Ada",
             "time_zone": "Europe/Ljubljana", "created_at": "2026-11-21T09:30:00Z"}
            """);

    internal static async Task<Results<Created<Response>, ProblemHttpResult>> HandleAsync(
        Request wanted, Database database, PasswordHasher passwords, IConfiguration config, TimeProvider clock, CancellationToken ct)
    {
        ProblemItem[] broken =
        [
            .. EmailAddress.TryParse(wanted.Email, out var email) ? [] : InvalidEmail,
            .. PasswordRules.Broken(wanted.Password, "/password"),
            .. ProfileRules.BrokenByName(wanted.Name),
            .. ProfileRules.BrokenByTimeZone(wanted.TimeZone),
        ];
        if (email is null || broken.Length > 0)
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);

        if (wanted.Invitation is null && IsByInvitationOnly(config))
            return Problems.Of(403, "invitation-required", "Signing up is by invitation only.");

        var hash = await passwords.HashAsync(wanted.Password!, ct);
        var account = New(email, wanted.Name, wanted.TimeZone, clock);
        await using var db = await database.BeginAsync(account.AccountId, ct);
        string? invited = null;
        if (wanted.Invitation is not null && (invited = await db.ScalarAsync<string>("select take_invitation(@Hash)", new { new MailToken(wanted.Invitation).Hash })) is null)
            return Problems.Of(400, "invalid-invitation", "The invitation is unknown, too old, taken back, or was used before.");
        // Whoever has the invitation reads the mails of the address that it was sent to.
        var isVerified = EmailAddress.TryParse(invited, out var proven) && proven.Key == email.Key;
        await MakeAsync(db, account, email, hash, isVerified);
        await db.CommitAsync();
        return TypedResults.Created("/identity/v1/me", account);
    }

    internal static bool IsByInvitationOnly(IConfiguration config) => config.GetValue("SignUp:InvitationOnly", false);

    internal static Response New(EmailAddress email, string? name, string? timeZone, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));      // as exact as the database keeps it
        return new(Guid.CreateVersion7(now), email.Text, name, timeZone ?? ProfileRules.DefaultTimeZone, now);
    }

    /// <summary>
    /// Makes it in the new person's transaction; false where the address is taken, which that account's person is told of. As many statements and
    /// a commit with a write either way: the time taken tells as little as the answer.
    /// </summary>
    internal static async Task<bool> MakeAsync(UserTransaction db, Response account, EmailAddress email, string hash, bool isVerified, bool isChosen = true)
    {
        var made = await db.ExecuteAsync(
            """
            with made as (
                insert into accounts (email, email_key, name, time_zone, created_at, email_verified_at)
                values (@Email, @Key, @Name, @TimeZone, @CreatedAt, case when @isVerified then now() end)
                on conflict on constraint accounts_email_key do nothing
                returning user_id)
            insert into passwords (user_id, hash, is_chosen) select user_id, @hash, @isChosen from made
            """,
            new { account.Email, email.Key, account.Name, account.TimeZone, account.CreatedAt, hash, isVerified, isChosen });
        if (made == 1)
        {
            await db.PublishAsync(new AccountCreated(account.AccountId, account.CreatedAt));
            if (!isVerified) await db.MailAsync(Letters.Verify, account.Email);
        }
        else await db.ExecuteAsync("call note_repeated_sign_up(@Key)", new { email.Key });
        return made == 1;
    }

    private static readonly ProblemItem[] InvalidEmail =
        [new("/email", "invalid-email", $"The address is missing, malformed or too long ({EmailAddress.Longest}).")];
}
