using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.Factors;

/// <summary>A code that was right, and used up by it.</summary>
/// <param name="RecoveryCodesLeft">Where it was one of them.</param>
public sealed record UsedCode(int? RecoveryCodesLeft);

/// <summary>
/// Checks the code of somebody whose password was right: of their authenticator, where neither the same nor an older one is good again, or a
/// recovery code. Those are not counted as tries, since nobody guesses 80 bits: whoever tries codes cannot keep the owner of one out.
/// </summary>
public sealed class SecondFactor(Database database, Sealer sealer, TimeProvider clock)
{
    public const int LongestCode = 40;

    /// <summary>At sign-in. Nothing, where the person has no second factor.</summary>
    public async Task<(UsedCode? Used, ProblemHttpResult? Refusal)> AskAsync(Guid person, string? code, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        if (await Authenticator.FindAsync(db) is not { IsConfirmed: true } authenticator) return (null, null);
        if (string.IsNullOrWhiteSpace(code)) return (null, Problems.Of(401, "second-factor-required", "The code of your authenticator, or a recovery code, is needed, too."));
        var answer = await UseAsync(db, authenticator, person, code, CodeTries.AtSignIn, 401, http, null);
        await db.CommitAsync();
        return answer;
    }

    /// <summary>Uses a code up in the person's transaction, which has to be committed also when it is refused.</summary>
    public async Task<(UsedCode? Used, ProblemHttpResult? Refusal)> UseAsync(
        UserTransaction db, Authenticator authenticator, Guid person, string given, string place, int status, HttpContext http, Guid? loginId)
    {
        var code = given.Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        var wrong = Problems.Of(status, "invalid-code", "The code is wrong, or was used. Wait for the next one of your authenticator.");
        if (code.Length == RecoveryCodes.Length)
        {
            if (!authenticator.IsConfirmed || await RecoveryCodes.UseAsync(db, code) is not { } left) return (null, wrong);
            await db.NoteAsync(http, FactorEntry.RecoveryCodeUsed, loginId, new { left });
            return (new(left), null);
        }
        if (code.Length != Totp.Digits || !code.All(char.IsAsciiDigit)) return (null, wrong);

        if (await CodeTries.TakeAsync(db, place) is { } wait) return (null, SignInBudget.Refuse(http, wait, "codes"));
        var secret = authenticator.Open(sealer, person);
        var step = Totp.StepOf(secret, code, clock.GetUtcNow());
        CryptographicOperations.ZeroMemory(secret);
        if (step is null || await db.ExecuteAsync("update totp set last_step = @step where last_step < @step", new { step }) == 0) return (null, wrong);
        await CodeTries.ReturnAsync(db, place);
        return (new((int?)null), null);
    }
}
