using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>
/// What outlives a login (a key, an application, a passkey) takes a proof of who it is that is at most a quarter of an hour old: neither a token that
/// was stolen nor a browser that was left alone is one. Whoever has a second factor proves that, too (docs/decisions/0053-recent-proof.md).
/// </summary>
public static class RecentProof
{
    public const int GoodForSeconds = 900;

    // A passkey is both factors. How a login began says nothing of a second factor that was turned on since.
    private const string IsRecent =
        """
        select coalesce(proved_at, authenticated_at) > now() - @GoodForSeconds * interval '1 second'
            and (coalesce(proved_methods, methods) ~ '\m(otp|webauthn)\M' or not exists (select from totp where confirmed_at is not null))
        from logins
        where login_id = @loginId and ended_at is null
        """;

    /// <summary>Null where there is one. What the transaction goes on to add is found by whoever ends everything of the person at that moment, or is not added.</summary>
    public static Task<ProblemHttpResult?> RefuseWithoutRecentProofAsync(this UserTransaction db, CurrentUser user, HttpContext http) =>
        db.RefuseWithoutRecentProofAsync(Entry.LoginOf(user), http);

    public static async Task<ProblemHttpResult?> RefuseWithoutRecentProofAsync(this UserTransaction db, Guid? loginId, HttpContext http) =>
        await db.HoldRecentProofAsync(loginId) ? null : Refused(http);

    /// <summary>Null where the person has a password, which was asked for; else there has to be a proof, which stays until the transaction ends.</summary>
    public static async Task<ProblemHttpResult?> RefuseWithoutPasswordOrProofAsync(this UserTransaction db, CurrentUser user, HttpContext http)
    {
        await db.ExecuteAsync("select from accounts for no key update");
        return await db.ScalarAsync<bool>("select is_chosen from passwords") ? null : await db.RefuseWithoutRecentProofAsync(user, http);
    }

    /// <summary>Whether there is one, which stays until the transaction ends.</summary>
    public static async Task<bool> HoldRecentProofAsync(this UserTransaction db, Guid? loginId)
    {
        // The account before the login, as everybody does; and one at a time for each person, so that what is counted next stays as it is.
        await db.ExecuteAsync("select from accounts for no key update");
        return await db.ScalarAsync<bool?>($"{IsRecent} for share of logins", new { loginId, GoodForSeconds }) == true;
    }

    /// <summary>Whether there is one just now.</summary>
    public static async Task<bool> HasRecentProofAsync(this UserTransaction db, Guid? loginId) =>
        await db.ScalarAsync<bool?>(IsRecent, new { loginId, GoodForSeconds }) == true;

    /// <summary>Until when it is good; null where the login has ended.</summary>
    public static Task<DateTimeOffset?> RenewProofAsync(this UserTransaction db, Guid? loginId, string methods) => db.ScalarAsync<DateTimeOffset?>(
        """
        update logins set proved_at = now(), proved_methods = @methods
        where login_id = @loginId and ended_at is null
        returning proved_at + @GoodForSeconds * interval '1 second'
        """, new { loginId, methods, GoodForSeconds });

    // By the names of RFC 9470. Its 401 would have programs refresh their token, which proves nothing.
    public static ProblemHttpResult Refused(HttpContext http)
    {
        http.Response.Headers.WWWAuthenticate = string.Create(CultureInfo.InvariantCulture,
            $"Bearer error=\"insufficient_user_authentication\", error_description=\"A more recent proof is required\", max_age=\"{GoodForSeconds}\"");
        return Problems.Of(403, "insufficient-user-authentication",
            "Prove first that it is you: POST /identity/v1/logins/current/proof with your password and, where you have an authenticator, its code; or with a passkey; or sign in again. It is good for 15 minutes.");
    }
}
