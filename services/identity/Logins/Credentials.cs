using System.Net;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Logins;

/// <summary>Somebody who has just proved who they are.</summary>
/// <param name="UserId">Whose rows follow.</param>
/// <param name="Hash">Of the password that was checked: what follows from it holds only while the password is this one.</param>
/// <param name="Methods">How (RFC 8176, the claim amr), separated by spaces: "pwd", "pwd otp", "webauthn", or "fed" for a provider's word, which the RFC has no name for.</param>
/// <param name="RecoveryCodesLeft">Where one of them was used.</param>
/// <param name="At">When, where it was not just now: a provider may have asked them earlier.</param>
public sealed record ProvenPerson(Guid UserId, string Hash, string Methods, int? RecoveryCodesLeft = null, DateTimeOffset? At = null);

/// <summary>
/// Checks an e-mail address and a password, for programs and for pages. Tries are limited by address and place, whether anybody has that
/// address or not. Whether the address is unknown, the password wrong, the account disabled, or its address not confirmed where that is asked
/// for (SignIn:ConfirmedOnly): the same work is done and the same answer given. Only whoever has the password learns that a second factor is
/// asked for.
/// </summary>
public sealed class Credentials(Database database, PasswordHasher passwords, SignInBudget budget, SecondFactor second, IConfiguration config, TimeProvider clock)
{
    private readonly bool confirmedOnly = AreConfirmedOnly(config);

    /// <summary>Nobody signs in before the address has been confirmed by mail.</summary>
    public static bool AreConfirmedOnly(IConfiguration config) => config.GetValue("SignIn:ConfirmedOnly", false);

    private sealed record Found(Guid? UserId, string? Hash, bool IsDisabled, bool IsConfirmed, bool HasSecondFactor, bool IsFamiliar);

    public async Task<(ProvenPerson? Person, ProblemHttpResult? Refusal)> CheckAsync(
        string given, string password, string? code, HttpContext http, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(given, out var email)) email = new EmailAddress("", "");
        var place = RateLimits.NetworkOf(http);
        var found = await FindAsync(email, place, ct);
        if (budget.TakeAt(place, email.Key) is { } pause) return (null, SignInBudget.Refuse(http, pause));
        // Where the tries of strangers are used up, a wrong password is refused alike and takes as long, whether the place is one of the person's or not.
        var wait = found.IsFamiliar ? budget.StrangersWait(email.Key) : budget.TakeAsStranger(email.Key);
        var isRight = await passwords.IsRightAsync(found.Hash, password, ct);
        if (wait is not null && !found.IsFamiliar) return (null, SignInBudget.Refuse(http, wait.Value));
        if (!isRight || found is not { UserId: { } userId, Hash: { } was, IsDisabled: false } || (confirmedOnly && !found.IsConfirmed))
        {
            if (found.UserId is { } whose) NoteAfterwards(whose, passwordWasRight: false, http);
            return (null, wait is null ? Refused() : SignInBudget.Refuse(http, wait.Value));
        }
        budget.Forgive(email.Key, place, found.IsFamiliar);

        var (used, refusal) = found.HasSecondFactor ? await second.AskAsync(userId, code, http, ct) : (null, null);
        if (refusal is not null)
        {
            if (refusal.ProblemDetails.Type == "invalid-code") NoteAfterwards(userId, passwordWasRight: true, http);
            return (null, refusal);
        }
        var person = new ProvenPerson(userId, was, used is null ? "pwd" : "pwd otp", used?.RecoveryCodesLeft);

        if (!Argon2.IsOutdated(was)) return (person, null);
        var hash = await passwords.HashAsync(password, ct);
        await using var db = await database.BeginAsync(userId, ct);
        var isReplaced = await db.ExecuteAsync("update passwords set hash = @hash where hash = @was", new { hash, was }) == 1;
        await db.CommitAsync();
        return (person with { Hash = isReplaced ? hash : was }, null);
    }

    // Once the answer is out: how long that takes must not tell whether somebody has the address. One entry a minute for each place.
    private void NoteAfterwards(Guid person, bool passwordWasRight, HttpContext http)
    {
        var (place, device) = (RateLimits.NetworkOf(http).ToString(), Device.Of(http.Request));
        http.Response.OnCompleted(async () =>
        {
            var now = clock.GetUtcNow();
            await using var db = await database.BeginAsync(person, CancellationToken.None);
            await db.ExecuteAsync(
                """
                insert into audit (entry_id, action, address, details)
                select @id, @SignInRefused, @place::cidr, jsonb_strip_nulls(jsonb_build_object('device', @device::text, 'password_was_right', @passwordWasRight))
                where not exists (
                    select from audit
                    where entry_id > @recently and action = @SignInRefused and address = @place::cidr and details->'password_was_right' = to_jsonb(@passwordWasRight))
                """,
                new { id = OrderedId.Next(), Entry.SignInRefused, place, device, passwordWasRight, recently = Guid.CreateVersion7(now.AddMinutes(-1)) });
            await db.CommitAsync();
        });
    }

    public static ProblemHttpResult Refused() =>
        Problems.Of(401, "invalid-credentials", "The e-mail address or the password is wrong.");

    // In one round trip that is over before the hashing: nobody holds a connection while they wait for a core.
    private async Task<Found> FindAsync(EmailAddress email, IPNetwork place, CancellationToken ct) => (await database.ReadUnownedAsync<Found>(
        "select user_id, hash, is_disabled, is_confirmed, has_second_factor, is_familiar from find_credentials(@Key, @place::cidr)",
        new { email.Key, place = place.ToString() }, ct))[0];
}
