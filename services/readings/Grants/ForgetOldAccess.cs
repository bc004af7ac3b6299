using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Deletes every day what access_log said of two years ago.</summary>
internal sealed class ForgetOldAccess(Database database, TimeProvider clock, ILogger<ForgetOldAccess> log)
    : PeriodicService(TimeSpan.FromDays(1), clock, log, "The log of who looked was not shortened", atStart: true)
{
    private const int AtOnce = 10_000;

    public override async Task RunOnceAsync(CancellationToken ct)
    {
        int forgotten;
        do
        {
            await using var db = await database.BeginUnownedAsync(ct);
            forgotten = await db.ScalarAsync<int>("select forget_old_access(@AtOnce)", new { AtOnce });
            await db.CommitAsync();
        }
        while (forgotten == AtOnce);
    }
}
