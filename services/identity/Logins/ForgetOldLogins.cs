using OpenReadings.Chassis;

namespace OpenReadings.Identity.Logins;

/// <summary>Deletes logins that ended a week ago, with their refresh tokens, and addresses not signed in from for long. Several replicas do no harm.</summary>
public sealed class ForgetOldLogins(Database database, TimeProvider clock, ILogger<ForgetOldLogins> log)
    : BackgroundService
{
    private const int AtOnce = 1000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMinutes(10), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try { await RunOnceAsync(stoppingToken); }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Old logins were not forgotten, the next round tries again: {Reason}", e.Message);
            }
        }
    }

    public async Task RunOnceAsync(CancellationToken ct)
    {
        long forgotten;
        do
        {
            await using var db = await database.BeginUnownedAsync(ct);
            forgotten = await db.ScalarAsync<long>("select forget_old_logins(@AtOnce)", new { AtOnce });
            await db.CommitAsync();
        }
        while (forgotten == AtOnce);
        await using var last = await database.BeginUnownedAsync(ct);
        await last.ExecuteAsync("call forget_old_addresses()");
        await last.ExecuteAsync("call forget_old_passkey_challenges()");
        await last.ExecuteAsync("call forget_old_audit()");
        await last.ExecuteAsync("call forget_old_revocations()");
        await last.ExecuteAsync("call forget_old_authorizations()");
        await last.ExecuteAsync("call forget_old_erasures()");
        await last.ExecuteAsync("call forget_old_mail()");
        await last.ExecuteAsync("call forget_old_pairing_codes()");
        await last.CommitAsync();
    }
}
