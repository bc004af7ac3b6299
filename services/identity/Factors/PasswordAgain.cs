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
    public async Task<ProblemHttpResult?> RefuseAsync(CurrentUser user, string password, HttpContext http, CancellationToken ct)
    {
        if (await StoredPassword.OfAsync(user, database, ct) is not { Hash: var hash }) return Account.Gone();
        var (account, place) = (user.Id.ToString(), RateLimits.NetworkOf(http));
        if (budget.Take(account, place, isFamiliar: true) is { } wait) return SignInBudget.Refuse(http, wait);
        if (!await passwords.IsRightAsync(hash, password, ct)) return Account.WrongPassword();
        budget.Forgive(account, place, isFamiliar: true);
        return null;
    }
}
