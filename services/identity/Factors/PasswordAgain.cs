using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Factors;

/// <summary>
/// Asks somebody who is signed in for the password again: a token that was stolen must not change how its person proves who they are. Tries are
/// limited as at sign-in and counted apart: whoever guesses there keeps nobody out here. Who never chose a password, because an account elsewhere
/// signs them in, has a recent proof in its place.
/// </summary>
public sealed class PasswordAgain(Database database, PasswordHasher passwords, SignInBudget budget)
{
    private sealed record Known(string Hash, bool NeedsProof, bool IsFamiliar);

    /// <summary>Null where it is right.</summary>
    public async Task<ProblemHttpResult?> RefuseAsync(CurrentUser user, string? password, HttpContext http, CancellationToken ct) =>
        (await CheckAsync(user.Id, Entry.LoginOf(user), password, http, ct)).Refusal;

    /// <summary>
    /// The hash that it is right by: what follows holds only while the password is this one. Where there is no password, a recent proof of the
    /// login will do; none will without a login.
    /// </summary>
    public async Task<(string? Hash, ProblemHttpResult? Refusal)> CheckAsync(
        Guid person, Guid? loginId, string? password, HttpContext http, CancellationToken ct, string field = "/password")
    {
        var (account, place) = (person.ToString(), RateLimits.NetworkOf(http));
        Known? known;
        // Disposed before the hashing: nobody holds a connection while they wait for a core.
        await using (var db = await database.BeginAsync(person, ct))
        {
            known = await db.FindAsync<Known>(
                """
                select hash, not is_chosen and taken_back_at is null as needs_proof, exists (select from familiar_addresses where address = @place::cidr and last_used_at > now() - interval '90 days') as is_familiar
                from passwords
                """, new { place = place.ToString() });
            if (known is { NeedsProof: true }) return await db.HasRecentProofAsync(loginId) ? (known.Hash, null) : (null, RecentProof.Refused(http));
        }
        if (known is null) return (null, Account.Gone());
        if (string.IsNullOrEmpty(password)) return (null, Problems.Of(400, "validation-failed", "The password is missing.", new ProblemItem(field, "invalid-value", "The password is missing.")));
        if (budget.Take(account, place, known.IsFamiliar) is { } wait) return (null, SignInBudget.Refuse(http, wait));
        if (!await passwords.IsRightAsync(known.Hash, password, ct)) return (null, Account.WrongPassword());
        budget.Forgive(account, place, known.IsFamiliar);
        return (known.Hash, null);
    }
}
