using OpenReadings.Chassis;

namespace OpenReadings.Identity;

/// <summary>
/// Deletes what has outlived its use: logins that ended a week ago with their refresh tokens, addresses not signed in from for long, codes and
/// links that expired, old audit. How old each may get stands in the script that made it. Several replicas do no harm.
/// </summary>
public sealed class ForgetOld(Database database, TimeProvider clock, ILogger<ForgetOld> log)
    : PeriodicService(TimeSpan.FromMinutes(10), clock, log, "What is old was not forgotten")
{
    private const int AtOnce = 1000;
    private static readonly string[] Procedures =
    [
        "forget_old_addresses", "forget_old_passkey_challenges", "forget_old_audit", "forget_old_revocations", "forget_old_authorizations", "forget_old_erasures", "forget_old_mail",
        "forget_old_pairing_codes", "forget_old_external_proofs", "forget_farewells",
    ];

    public override async Task RunOnceAsync(CancellationToken ct)
    {
        long forgotten;
        do
        {
            await using var db = await database.BeginUnownedAsync(ct);
            forgotten = await db.ScalarAsync<long>("select forget_old_logins(@AtOnce)", new { AtOnce });
            await db.CommitAsync();
        }
        while (forgotten == AtOnce);
        foreach (var procedure in Procedures)
        {
            await using var db = await database.BeginUnownedAsync(ct);
            await db.ExecuteAsync($"call {procedure}()");
            await db.CommitAsync();
        }
    }
}
