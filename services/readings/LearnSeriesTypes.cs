using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>
/// Keeps this service's projection of the catalog's series types. An older version never overwrites a newer one, and one
/// that is known, as nearly all are that are announced again, writes nothing.
/// </summary>
public sealed class LearnSeriesTypes(Database database) : IHandle<SeriesTypeDefined>
{
    public async Task HandleAsync(SeriesTypeDefined happened, Received received, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        if (await db.ScalarAsync<bool>("select exists (select from series_types where code = @Code and version >= @Version)", happened)) return;
        if (!await db.IsFirstTimeAsync(received.Id, nameof(LearnSeriesTypes))) return;
        await db.ExecuteAsync(
            """
            insert into series_types as t (code, category, unit, aggregation, minimum, maximum, panel, version)
            values (@Code, @Category, @Unit, @Aggregation, @Minimum, @Maximum, @Panel, @Version)
            on conflict (code) do update set category = excluded.category, unit = excluded.unit, aggregation = excluded.aggregation,
                minimum = excluded.minimum, maximum = excluded.maximum, panel = excluded.panel, version = excluded.version
            where t.version < excluded.version
            """, happened);
        await db.CommitAsync();
    }
}
