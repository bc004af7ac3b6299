using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Deletes every day what access_log said of two years ago.</summary>
internal sealed class ForgetOldAccess(Database database, TimeProvider clock, ILogger<ForgetOldAccess> log)
    : PeriodicService(TimeSpan.FromDays(1), clock, log, "The log of who looked was not shortened", atStart: true)
{
    public override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        await db.ExecuteAsync("call forget_old_access()");
        await db.CommitAsync();
    }
}
