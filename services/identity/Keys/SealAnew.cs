using System.Security.Cryptography;
using OpenReadings.Chassis;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Factors;

namespace OpenReadings.Identity.Keys;

/// <summary>
/// Seals with the key of now what an older key-encryption key sealed, so that the older one can be thrown away. Several replicas do no harm:
/// each row is replaced only while it is the one that was opened.
/// </summary>
public sealed class SealAnew(Database database, Sealer sealer, KeySealer keys, ProviderTokens tokens, TimeProvider clock, ILogger<SealAnew> log)
    : PeriodicService(Every, clock, log, "Not all was sealed anew")
{
    private const int AtOnce = 500;
    // What a replica that has not been told of the new key seals meanwhile is found, too.
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>How many secrets were sealed anew.</summary>
    public override async Task<int> RunOnceAsync(CancellationToken ct)
    {
        var done = await SigningKeysAsync(ct);
        var (people, last) = ((IReadOnlyList<Guid>)[], Guid.Empty);
        do
        {
            await using (var unowned = await database.BeginUnownedAsync(ct))
                people = await unowned.QueryAsync<Guid>("select people_sealed_otherwise(@Name, @last, @AtOnce)", new { sealer.Name, last, AtOnce });
            foreach (var person in people)
            {
                last = person;
                foreach (var seal in (Func<Guid, CancellationToken, Task<int>>[])[TotpAsync, tokens.SealAnewAsync])
                {
                    try { done += await seal(person, ct); }
                    // One that cannot be opened must not keep the others with the old key.
                    catch (Exception e) when (e is StartRefusedException or CryptographicException)
                    {
                        Log.LogWarning("A secret of one person was not sealed anew: {Reason}", e.Message);
                    }
                }
            }
        }
        while (people.Count == AtOnce);
        if (done > 0) Log.LogInformation("Sealed {Count} secrets anew with the key {Name}", done, sealer.Name);
        return done;
    }

    private async Task<int> SigningKeysAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var old = await db.QueryAsync<SealedKey>($"{KeyRing.Select} where sealed_with <> @Name", new { sealer.Name });
        var done = 0;
        foreach (var was in old)
        {
            var now = keys.SealAnew(was);
            done += await db.ExecuteAsync("update signing_keys set private_key = @PrivateKey, sealed_with = @SealedWith where kid = @Kid and private_key = @was",
                new { now.PrivateKey, now.SealedWith, now.Kid, was = was.PrivateKey });
        }
        await db.CommitAsync();
        return done;
    }

    private async Task<int> TotpAsync(Guid person, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        // Another replica may have been here since they were listed.
        if (await Authenticator.FindAsync(db) is not { } was || was.SealedWith == sealer.Name) return 0;
        var secret = was.Open(sealer, person);
        var done = await db.ExecuteAsync("update totp set secret = @box, sealed_with = @Name where secret = @was",
            new { box = sealer.Seal(secret, Authenticator.About(person)), sealer.Name, was = was.Secret });
        CryptographicOperations.ZeroMemory(secret);
        await db.CommitAsync();
        return done;
    }
}
