using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>Changes the password and ends every other login: whoever knew the old one is out.</summary>
public static class ChangePassword
{
    public sealed record Request(
        [Required, StringLength(PasswordRules.LongestUtf16)] string CurrentPassword, string? NewPassword);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPut("/me/password", HandleAsync)
        .RequireRateLimiting(RateLimits.Sensitive)
        .WithName("ChangePassword")
        .WithSummary("Changes your password and ends all your other logins.")
        .WithExample(request: """{"current_password": "Correct horse 7", "new_password": "Battery staple 8"}""");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Request change, CurrentUser user, HttpContext http, Database database, PasswordHasher passwords,
        PasswordAgain password, CancellationToken ct)
    {
        ProblemItem[] broken = [.. PasswordRules.Broken(change.NewPassword, "/new_password")];
        if (broken.Length > 0)
            return Problems.Of(400, "validation-failed", "The new password breaks rules.", broken);
        var (was, refusal) = await password.CheckAsync(user.Id, change.CurrentPassword, http, ct);
        if (was is null) return refusal!;

        var hash = await passwords.HashAsync(change.NewPassword!, ct);
        await using var db = await database.BeginAsync(user, ct);
        // Before the password, as whoever brings an address back: two that lock in another order would wait for each other.
        await db.ExecuteAsync("select from accounts for key share");
        var changed = await db.ExecuteAsync(
            "update passwords set hash = @hash, changed_at = now() where hash = @was", new { hash, was });
        if (changed == 0) return Account.WrongPassword();        // it was changed meanwhile
        var ended = await db.ExecuteAsync(
            """
            update logins set ended_at = now(), ended_because = 'password-changed'
            where login_id is distinct from @current and ended_at is null
            """, new { current = Entry.LoginOf(user) });
        // Not links for a new password: whoever knows the password must not keep out whoever reads the mails.
        await MailToken.TakeBackAsync(db, "change");
        await db.NoteAsync(http, Entry.PasswordChanged, Entry.LoginOf(user), new { ended });
        await db.MailAsync(Letters.PasswordChanged, (await db.FindAsync<string>("select email from accounts"))!);
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
