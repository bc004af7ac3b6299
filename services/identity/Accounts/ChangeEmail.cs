using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// Another e-mail address: it takes effect when somebody who reads there has confirmed it, and whoever reads at the old one can undo it for
/// seven days. Then the password is nobody's until one is chosen by mail: whoever changed the address knew it.
/// </summary>
public static class ChangeEmail
{
    public sealed record Request(string? NewEmail, [StringLength(PasswordRules.LongestUtf16)] string? Password);
    public sealed record Confirmation(string? Token);

    public static void MapMine(IEndpointRouteBuilder routes) => routes.MapPost("/me/email", AskAsync).RequireRateLimiting(RateLimits.Sensitive)
        .WithName("ChangeEmail").WithSummary("Mails a link to a new address; your address changes when it is opened. Five a day. Asks for the password, where you chose one, and takes a recent proof.")
        .WithExample(request: """{"new_email": "ada@example.net", "password": "Correct horse 7"}""");

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/email-changes/confirm", async Task<Results<NoContent, ProblemHttpResult>> (Confirmation wanted, Database database, HttpContext http, CancellationToken ct) =>
                await ConfirmAsync(wanted.Token, database, http, ct) is { } problem ? problem : TypedResults.NoContent())
            .WithName("ConfirmEmailChange").WithSummary("Changes the address of an account with the token that was mailed to the new one: good for a day and once.")
            .WithExample(request: """{"token": "om_7Jm0nU3f…"}""");
        routes.MapPost("/email-changes/undo", async Task<Results<NoContent, ProblemHttpResult>> (Confirmation wanted, Database database, PasswordHasher passwords, TimeProvider clock, HttpContext http, CancellationToken ct) =>
                await UndoAsync(wanted.Token, database, passwords, clock, http, ct) is { } problem ? problem : TypedResults.NoContent())
            .WithName("UndoEmailChange").WithSummary("Brings an address back with the token that was mailed to it, for seven days, and takes away what was added since: authenticator, passkeys, accounts elsewhere, applications, what was shared. Ends all logins, API keys and consents, and mails a link for a new password: the old one is good no more.")
            .WithExample(request: """{"token": "om_7Jm0nU3f…"}""");
    }

    private static async Task<Results<Accepted, ProblemHttpResult>> AskAsync(
        Request wanted, CurrentUser user, Database database, PasswordAgain password, HttpContext http, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(wanted.NewEmail, out var email))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/new_email", "invalid-email", "The address is missing or malformed."));
        if (await password.RefuseAsync(user, wanted.Password, http, ct) is { } refused) return refused;

        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } old) return old;
        if (await db.ScalarAsync<int>("select count(*)::int from audit where action = @EmailChangeAsked and at > now() - interval '1 day'", new { Entry.EmailChangeAsked }) >= 5)
            return Problems.Of(429, "too-many-mails", "There are five a day.");
        // Whether somebody else has that address is not said here: they would hear of it when they open the link.
        await db.MailAsync(Letters.Change, email.Text);
        await db.NoteAsync(http, Entry.EmailChangeAsked, Entry.LoginOf(user));
        await db.CommitAsync();
        return TypedResults.Accepted((string?)null);
    }

    public static async Task<ProblemHttpResult?> ConfirmAsync(string? token, Database database, HttpContext http, CancellationToken ct)
    {
        if (await MailToken.FindAsync(database, token, ct, "change") is not { } found) return MailToken.Refused();
        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await MailToken.UseAsync(db, token!) is not { } written || !EmailAddress.TryParse(written, out var email)) return MailToken.Refused();
        var before = await db.FindAsync<string>("select email from accounts for update");
        try
        {
            await SetAsync(db, email);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Whoever holds the token reads the mails of that address: they may know.
            return Problems.Of(409, "email-taken", "This address has an account of its own.");
        }
        if (before != email.Text) await db.MailAsync(Letters.Changed, before!);
        await db.NoteAsync(http, Entry.EmailChanged, null);
        await db.CommitAsync();
        return null;
    }

    public static async Task<ProblemHttpResult?> UndoAsync(string? token, Database database, PasswordHasher passwords, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        if (await MailToken.FindAsync(database, token, ct, "undo") is not { } found) return MailToken.Refused();
        var nobodys = await passwords.HashNobodysAsync(ct);
        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await MailToken.UseAsync(db, token!) is not { } written || !EmailAddress.TryParse(written, out var email)) return MailToken.Refused();
        var hash = new MailToken(token!).Hash;
        try
        {
            await db.ExecuteAsync("select take_address_back(@Key, @hash, @entry)", new { email.Key, hash, entry = OrderedId.Next() });
            await SetAsync(db, email);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            return Problems.Of(409, "email-taken", "This address has an account of its own by now.");
        }
        // Links that went to the address that somebody put there, and those who are signed in by it.
        await MailToken.TakeBackAsync(db, "verify", "reset", "change");
        // Later changes are undone with this one. Not those before: whoever made two must not take the first one's way back with the second's.
        const string Later = "created_at >= (select created_at from mail_tokens where token_hash = @hash)";
        await db.ExecuteAsync($"delete from mail_outbox where kind in (@Changed, @FactorAdded) and {Later}", new { Letters.Changed, Letters.FactorAdded, hash });
        await db.ExecuteAsync($"update mail_tokens set used_at = now() where purpose = 'undo' and used_at is null and {Later}", new { hash });
        await db.ExecuteAsync("update passwords set hash = @nobodys, is_chosen = false, taken_back_at = now(), changed_at = now()", new { nobodys });
        var ended = await ShutOut.EverybodyAsync(db, "revoked");
        await ShutOut.AddedSinceAsync(db, found.UserId, await db.ScalarAsync<DateTimeOffset>("select created_at from mail_tokens where token_hash = @hash", new { hash }), clock.GetUtcNow());
        await db.NoteAsync(http, Entry.EmailChangeUndone, null, new { ended = ended.Logins, apiKeys = ended.ApiKeys, ended.Consents });
        await db.MailAsync(Letters.Reset, email.Text);
        await db.CommitAsync();
        return null;
    }

    private static Task<int> SetAsync(UserTransaction db, EmailAddress email) =>
        db.ExecuteAsync("update accounts set email = @Text, email_key = @Key, email_verified_at = now()", new { email.Text, email.Key });
}
