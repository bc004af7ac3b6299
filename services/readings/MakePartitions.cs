using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Sees to it, at start and every day, that readings have a partition to go to: four months ahead.</summary>
internal sealed class MakePartitions(Database database, TimeProvider clock, ILogger<MakePartitions> log)
    : PeriodicService(TimeSpan.FromDays(1), clock, log, "No partitions were made", atStart: true, LogLevel.Error)
{
    private const int MonthsAhead = 4;

    public override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var made = await db.ScalarAsync<int>("select make_readings_partitions(@until::date)", new { until = Clock.GetUtcNow().AddMonths(MonthsAhead) });
        await db.CommitAsync();
        if (made > 0) Log.LogInformation("Made {Count} partition(s) of readings", made);
    }
}
