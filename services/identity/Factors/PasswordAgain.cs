using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Factors;

/// <summary>Asks somebody who is signed in for the password again: a token that was stolen must not change how its person proves who they are.</summary>
public sealed class PasswordAgain(Database database, PasswordHasher passwords, SignInBudget budget)
{
    /// <summary>Null where it is right.</summary>
    public Task<ProblemHttpResult?> RefuseAsync(CurrentUser user, string password, HttpContext http, CancellationToken ct) => RefuseAsync(user.Id, password, http, ct);

    /// <summary>Null where it is right.</summary>
    public async Task<ProblemHttpResult?> RefuseAsync(Guid person, string password, HttpContext http, CancellationToken ct)
    {
        string? hash;
        // Disposed before the hashing: nobody holds a connection while they wait for a core.
        await using (var db = await database.BeginAsync(person, ct)) hash = await db.ScalarAsync<string?>("select hash from passwords");
        if (hash is null) return Account.Gone();
        var (account, place) = (person.ToString(), RateLimits.NetworkOf(http));
        if (budget.Take(account, place, isFamiliar: true) is { } wait) return SignInBudget.Refuse(http, wait);
        if (!await passwords.IsRightAsync(hash, password, ct)) return Account.WrongPassword();
        budget.Forgive(account, place, isFamiliar: true);
        return null;
    }
}
