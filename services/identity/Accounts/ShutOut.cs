using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.ApiKeys;
using OpenReadings.Identity.Queues;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// Ends what opens an account without its password, for somebody who takes it back. In the person's transaction, which holds the account: whoever
/// adds something at that moment has added it before, where it is found, or adds nothing.
/// </summary>
public static class ShutOut
{
    /// <summary>How many have ended.</summary>
    public sealed record Ended(int Logins, int ApiKeys, int Consents);

    /// <summary>Logins, API keys, and what applications were let do, whoever made them and when. What keys stored as themselves stays for as long as the account does.</summary>
    public static async Task<Ended> EverybodyAsync(UserTransaction db, string because) => new(
        // Logins first: whoever adds a key holds theirs until it is there.
        await db.ExecuteAsync("update logins set ended_at = now(), ended_because = @because where ended_at is null", new { because }),
        await db.ExecuteAsync($"update api_keys set ended_at = now() where {ApiKey.Good}"),
        await db.ExecuteAsync("delete from consents"));

    /// <summary>
    /// What somebody else added who held the account from a moment on: passkeys, an authenticator, recovery codes, accounts elsewhere, applications, their
    /// secrets and queues, and, when readings hears of it, what was shared.
    /// </summary>
    public static async Task AddedSinceAsync(UserTransaction db, Guid person, DateTimeOffset since, DateTimeOffset now, bool keepsAuthenticator = false)
    {
        foreach (var table in new[] { "passkeys", "external_identities", "application_secrets" }) await db.ExecuteAsync($"delete from {table} where created_at >= @since", new { since });
        if (!keepsAuthenticator)
        {
            await db.ExecuteAsync(
                """
                with added as (
                    delete from totp where confirmed_at >= @since returning user_id)
                delete from recovery_codes
                where exists (select from added) or exists (select from audit where action = @RecoveryCodesMade and at >= @since)
                """, new { since, Factors.FactorEntry.RecoveryCodesMade });
        }
        await EndDelivery.EndAsync(db, since: since);
        foreach (var clientId in await db.QueryAsync<Guid>("delete from applications where created_at >= @since returning client_id", new { since }))
            await db.PublishAsync(new AccountDeleted(clientId, now));
        await db.PublishAsync(new AccountRecovered(person, since, now));
    }
}
