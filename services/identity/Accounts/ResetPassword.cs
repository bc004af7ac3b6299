using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// A new password for whoever reads the mails of an address. Asking is answered alike, and takes as long, whether anybody has the address or
/// not. Choosing ends all logins, API keys and consents, because somebody else may have had the password. Where it was changed in the last seven days, or
/// nobody had shown yet that the address is theirs, it may have been somebody else all along: then all that was added since ends, too.
/// </summary>
public static class ResetPassword
{
    public sealed record Request(string? Email);
    public sealed record Confirmation(string? Token, string? NewPassword);

    /// <summary>What has ended, and what is left of the other ways in.</summary>
    public sealed record Response(int LoginsEnded, int ApiKeysEnded, int ConsentsEnded, int PasskeysLeft, int ApplicationsLeft);
    private sealed record Left(int Passkeys, int Applications);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/password-resets", AskAsync)
            .WithName("AskForPasswordReset").WithSummary("Mails a link for a new password to an address, if it has an account: three an hour. The answer is the same if it has none.")
            .WithExample(request: """{"email": "ada@example.org"}""");
        routes.MapPost("/password-resets/confirm", ConfirmAsync)
            .WithName("ResetPassword").WithSummary("Sets a new password with the token that was mailed: good for an hour and once. Ends all logins, API keys and consents; after a change of the password in the last seven days, also what was added since. Passkeys and applications of before stay: look whether you know them.")
            .WithExample(request: """{"token": "om_7Jm0nU3f…", "new_password": "Battery staple 8"}""", response: """{"logins_ended": 3, "api_keys_ended": 2, "consents_ended": 1, "passkeys_left": 1, "applications_left": 0}""");
    }

    public static async Task<(Response? Done, ProblemHttpResult? Problem)> ResetAsync(
        string? token, string? newPassword, Database database, PasswordHasher passwords, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken = [.. PasswordRules.Broken(newPassword, "/new_password")];
        if (broken.Length > 0) return (null, Problems.Of(400, "validation-failed", "The new password breaks rules.", broken));
        if (await MailToken.FindAsync(database, token, ct, "reset") is not { } found) return (null, MailToken.Refused());
        var hash = await passwords.HashAsync(newPassword!, ct);
        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await MailToken.UseAsync(db, token!) is not { } email) return (null, MailToken.Refused());
        // Sent to an address that the account no longer has: whoever reads there may not come in.
        if (await db.ScalarAsync<bool?>("select email_verified_at is not null from accounts where email = @email for no key update", new { email }) is not { } wasVerified) return (null, MailToken.Refused());
        await db.ExecuteAsync("update passwords set hash = @hash, is_chosen = true, taken_back_at = null, changed_at = now()", new { hash });
        await MailToken.TakeBackAsync(db, "reset", "change");
        var ended = await ShutOut.EverybodyAsync(db, "password-changed");
        if (!wasVerified)
        {
            await db.ExecuteAsync("update accounts set email_verified_at = now()");
            // Not an authenticator: where somebody mistyped their own address, it is what keeps its reader from their readings.
            await ShutOut.AddedSinceAsync(db, found.UserId, DateTimeOffset.UnixEpoch, clock.GetUtcNow(), keepsAuthenticator: true);
        }
        else if (await db.ScalarAsync<DateTimeOffset?>(ChangedByWhomever, new { Entry.PasswordChanged, Entry.PasswordReset }) is { } since)
            await ShutOut.AddedSinceAsync(db, found.UserId, since, clock.GetUtcNow());
        var left = (await db.FindAsync<Left>("select (select count(*)::int from passkeys) as passkeys, (select count(*)::int from applications) as applications"))!;
        var done = new Response(ended.Logins, ended.ApiKeys, ended.Consents, left.Passkeys, left.Applications);
        await db.NoteAsync(http, Entry.PasswordReset, null, new { ended = ended.Logins, apiKeys = ended.ApiKeys, ended.Consents });
        await db.MailAsync(Letters.PasswordReplaced, email, new { ended.ApiKeys, left.Passkeys, left.Applications });
        await db.CommitAsync();
        return (done, null);
    }

    // The first change of the password that its person may not know of: they were told by mail, and choose another because of it. What they chose by
    // mail themselves is behind them.
    private const string ChangedByWhomever =
        """
        select min(at)
        from audit
        where action = @PasswordChanged and at > now() - interval '7 days'
            and at > coalesce((select max(at) from audit where action = @PasswordReset), '-infinity')
        """;

    internal static async Task<Results<Accepted, ProblemHttpResult>> AskAsync(Request request, Database database, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(request.Email, out var email))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/email", "invalid-email", "The address is missing or malformed."));
        await using var db = await database.BeginUnownedAsync(ct);
        await db.ExecuteAsync("call ask_for_reset(@Key)", new { email.Key });
        await db.CommitAsync();
        return TypedResults.Accepted((string?)null);
    }

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> ConfirmAsync(
        Confirmation wanted, Database database, PasswordHasher passwords, TimeProvider clock, HttpContext http, CancellationToken ct) =>
        await ResetAsync(wanted.Token, wanted.NewPassword, database, passwords, clock, http, ct) switch
        {
            { Done: { } done } => TypedResults.Ok(done),
            var (_, problem) => problem!,
        };
}
