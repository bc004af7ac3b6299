using Npgsql;
using OpenReadings.Chassis;

namespace OpenReadings.Catalog.SeriesTypes;

/// <summary>
/// Announces every series type again and again: an event from before a consumer's first binding is lost to it, and a
/// version tells the others that they know. Soon after the start, when a platform comes up, and then every hour.
/// </summary>
public sealed class AnnounceSeriesTypes(Database database, TimeProvider clock, ILogger<AnnounceSeriesTypes> log)
    : BackgroundService
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(5), Longest = TimeSpan.FromHours(1);

    /// <summary>Doubles from 5 seconds to an hour.</summary>
    internal static TimeSpan PauseAfter(TimeSpan pause) =>
        TimeSpan.FromTicks(Math.Clamp(pause.Ticks * 2, Shortest.Ticks, Longest.Ticks));

    /// <summary>Says how many were announced.</summary>
    public async Task<int> AnnounceAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var types = await db.QueryAsync<SeriesType>($"select {SeriesType.Columns} from series_types order by number");
        foreach (var type in types) await db.PublishAsync(type.ToEvent());
        await db.CommitAsync();
        return types.Count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var pause = TimeSpan.Zero; ; pause = PauseAfter(pause))
        {
            await Task.Delay(pause, clock, stoppingToken);
            try
            {
                await AnnounceAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                log.LogWarning("The series types were not announced: {Reason}", e.Message);
            }
        }
    }
}
