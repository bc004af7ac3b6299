using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.ApiKeys;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// Changes the password and ends every other login: whoever knew the old one is out. Keys of gadgets go on, unless all others are to end: they are
/// counted in the answer, so that nobody believes themselves alone who is not.
/// </summary>
public static class ChangePassword
{
    public sealed record Request(
        [StringLength(PasswordRules.LongestUtf16)] string? CurrentPassword, string? NewPassword, bool EndOthers = false);
    public sealed record Response(int LoginsEnded, int ApiKeysEnded, int ApiKeysLeft);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPut("/me/password", HandleAsync)
        .RequireRateLimiting(RateLimits.Sensitive)
        .WithName("ChangePassword")
        .WithSummary("Changes your password and ends all your other logins; with end_others also all API keys, and what applications were let do. Where you never chose one, this takes a recent proof in place of the old one.")
        .WithExample(request: """{"current_password": "Correct horse 7", "new_password": "Battery staple 8", "end_others": true}""",
            response: """{"logins_ended": 2, "api_keys_ended": 3, "api_keys_left": 0}""");

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        Request change, CurrentUser user, HttpContext http, Database database, PasswordHasher passwords,
        PasswordAgain password, CancellationToken ct)
    {
        ProblemItem[] broken = [.. PasswordRules.Broken(change.NewPassword, "/new_password")];
        if (broken.Length > 0)
            return Problems.Of(400, "validation-failed", "The new password breaks rules.", broken);
        var (was, refusal) = await password.CheckAsync(user.Id, Entry.LoginOf(user), change.CurrentPassword, http, ct, "/current_password");
        if (was is null) return refusal!;

        var hash = await passwords.HashAsync(change.NewPassword!, ct);
        await using var db = await database.BeginAsync(user, ct);
        // Before the password, as whoever brings an address back: two that lock in another order would wait for each other.
        if (await db.RefuseWithoutPasswordOrProofAsync(user, http) is { } old) return old;
        var changed = await db.ExecuteAsync(
            "update passwords set hash = @hash, is_chosen = true, changed_at = now() where hash = @was", new { hash, was });
        if (changed == 0) return Account.WrongPassword();        // it was changed meanwhile
        var ended = await db.ExecuteAsync(
            """
            update logins set ended_at = now(), ended_because = 'password-changed'
            where login_id is distinct from @current and ended_at is null
            """, new { current = Entry.LoginOf(user) });
        var keysEnded = 0;
        if (change.EndOthers)
        {
            keysEnded = await db.ExecuteAsync($"update api_keys set ended_at = now() where {ApiKey.Good}");
            await db.ExecuteAsync("delete from consents");
        }
        var keysLeft = await db.ScalarAsync<int>($"select count(*)::int from api_keys where {ApiKey.Good}");
        // Not links for a new password: whoever knows the password must not keep out whoever reads the mails.
        await MailToken.TakeBackAsync(db, "change");
        await db.NoteAsync(http, Entry.PasswordChanged, Entry.LoginOf(user), new { ended, apiKeys = keysEnded });
        await db.MailAsync(Letters.PasswordChanged, (await db.FindAsync<string>("select email from accounts"))!, new { apiKeys = keysLeft });
        await db.CommitAsync();
        return TypedResults.Ok(new Response(ended, keysEnded, keysLeft));
    }
}
