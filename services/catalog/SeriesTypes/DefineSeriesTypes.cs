using System.Text.Json;
using OpenReadings.Chassis;
using Known = OpenReadings.Units.SeriesTypes;

namespace OpenReadings.Catalog.SeriesTypes;

/// <summary>
/// Brings the list that this program carries into the table before it serves, and announces what is new or changed in
/// the same transaction. Any number of replicas may do it at once, and again.
/// </summary>
public sealed class DefineSeriesTypes(Database database, ILogger<DefineSeriesTypes> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var changed = await DefineAsync(Known.All, Known.Revision, cancellationToken);
        if (changed > 0) log.LogInformation("{Count} series types were defined or changed", changed);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Says how many were new or changed.</summary>
    public async Task<int> DefineAsync(
        IReadOnlyList<OpenReadings.Units.SeriesType> types, int revision, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var changed = await db.QueryAsync<SeriesType>(
            $"select {SeriesType.Columns} from define_series_types(@list::jsonb, @revision) order by number",
            new { list = JsonSerializer.Serialize(types, Json.Options), revision });
        foreach (var type in changed) await db.PublishAsync(type.ToEvent());
        await db.CommitAsync();
        return changed.Count;
    }
}
