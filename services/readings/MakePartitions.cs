using Npgsql;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Sees to it, at start and every day, that readings have a partition to go to: four months ahead.</summary>
internal sealed class MakePartitions(Database database, TimeProvider clock, ILogger<MakePartitions> log) : BackgroundService
{
    private const int MonthsAhead = 4;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromDays(1), clock);
        do
        {
            try
            {
                await using var db = await database.BeginUnownedAsync(stoppingToken);
                var made = await db.ScalarAsync<int>(
                    "select make_readings_partitions(@until::date)", new { until = clock.GetUtcNow().AddMonths(MonthsAhead) });
                await db.CommitAsync();
                if (made > 0) log.LogInformation("Made {Count} partition(s) of readings", made);
            }
            catch (NpgsqlException e)
            {
                log.LogError("No partitions were made, and tomorrow is the next try: {Reason}", e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
