using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.ApiKeys;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// A new password for whoever reads the mails of an address. Asking is answered alike, and takes as long, whether anybody has the address or
/// not. Choosing ends all logins; keys of gadgets stay, as they do when a password is changed: the person ends those that they do not know.
/// They end where nobody had shown yet that the address is theirs: whoever made them may be somebody else.
/// </summary>
public static class ResetPassword
{
    public sealed record Request(string? Email);
    public sealed record Confirmation(string? Token, string? NewPassword);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/password-resets", AskAsync)
            .WithName("AskForPasswordReset").WithSummary("Mails a link for a new password to an address, if it has an account: three an hour. The answer is the same if it has none.")
            .WithExample(request: """{"email": "ada@example.org"}""");
        routes.MapPost("/password-resets/confirm", ConfirmAsync)
            .WithName("ResetPassword").WithSummary("Sets a new password with the token that was mailed: good for an hour and once. Ends all logins.")
            .WithExample(request: """{"token": "om_7Jm0nU3f…", "new_password": "Battery staple 8"}""");
    }

    public static async Task<ProblemHttpResult?> ResetAsync(string? token, string? newPassword, Database database, PasswordHasher passwords, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken = [.. PasswordRules.Broken(newPassword, "/new_password")];
        if (broken.Length > 0) return Problems.Of(400, "validation-failed", "The new password breaks rules.", broken);
        if (await MailToken.FindAsync(database, token, ct, "reset") is not { } found) return MailToken.Refused();
        var hash = await passwords.HashAsync(newPassword!, ct);
        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await MailToken.UseAsync(db, token!) is not { } email) return MailToken.Refused();
        // Sent to an address that the account no longer has: whoever reads there may not come in.
        if (await db.ScalarAsync<bool?>("select email_verified_at is not null from accounts where email = @email for no key update", new { email }) is not { } wasVerified) return MailToken.Refused();
        if (!wasVerified)
        {
            await db.ExecuteAsync("update accounts set email_verified_at = now()");
            // Not an authenticator: where somebody mistyped their own address, it is what keeps its reader from their readings.
            foreach (var table in new[] { "passkeys", "external_identities", "consents" }) await db.ExecuteAsync($"delete from {table}");
            await db.ExecuteAsync($"update api_keys set ended_at = now() where {ApiKey.Good}");
        }
        await db.ExecuteAsync("update passwords set hash = @hash, is_chosen = true, changed_at = now()", new { hash });
        await MailToken.TakeBackAsync(db, "reset", "change");
        var ended = await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'password-changed' where ended_at is null");
        await db.NoteAsync(http, Entry.PasswordReset, null, new { ended });
        await db.MailAsync(Letters.PasswordChanged, email);
        await db.CommitAsync();
        return null;
    }

    private static async Task<Results<Accepted, ProblemHttpResult>> AskAsync(Request request, Database database, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(request.Email, out var email))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/email", "invalid-email", "The address is missing or malformed."));
        await using var db = await database.BeginUnownedAsync(ct);
        await db.ExecuteAsync("call ask_for_reset(@Key)", new { email.Key });
        await db.CommitAsync();
        return TypedResults.Accepted((string?)null);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ConfirmAsync(
        Confirmation wanted, Database database, PasswordHasher passwords, HttpContext http, CancellationToken ct) =>
        await ResetAsync(wanted.Token, wanted.NewPassword, database, passwords, http, ct) is { } problem ? problem : TypedResults.NoContent();
}
