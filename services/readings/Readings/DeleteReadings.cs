using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>
/// Deletes the readings of a range of time, of all metrics of a source or of those that are named. What is there no more,
/// is counted no more: rollups are exact at once.
/// </summary>
public static class DeleteReadings
{
    /// <summary>How many values of readings are gone; a composite row counts once.</summary>
    public sealed record Response(long Deleted);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/sources/{sourceId:guid}/readings", HandleAsync)
        .WithName("DeleteReadings").WithSummary("Delete a range of readings").Produces<Response>().WithExample(null, """{"deleted": 1440}""");

    private static async Task<IResult> HandleAsync(
        Guid sourceId, CurrentUser user, Database database, KnownSources sources, CancellationToken ct,
        [FromQuery] string[]? metric = null, string? from = null, string? to = null)
    {
        var answer = await DeleteAsync(
            database, user, sources, sourceId, metric, Between.Parse(from, "from"), Between.Parse(to, "to"), ct);
        return answer is null ? Sources.NotFound(sourceId) : TypedResults.Ok(answer);
    }

    internal static Task<Response?> DeleteAsync(
        Database database, CurrentUser user, KnownSources sources, Guid sourceId, string[]? names, long? from, long? to, CancellationToken ct) =>
        sources.WriteAsync(user, sourceId, async source =>
        {
            var metrics = source.Select(names);
            source.RequireWrite(metrics, from, to);
            await using var db = await database.BeginAsync(source.As(user), ct);
            long total = 0;
            foreach (var series in metrics.GroupBy(metric => metric.SeriesId).OrderBy(group => group.Key))
            {
                var deleted = await db.ScalarAsync<int>(
                    "select delete_readings(@Key, @SourceId, @Version, @slots, @from, @to)",
                    new
                    {
                        series.Key, source.SourceId, source.Version, slots = series.Select(metric => metric.Slot).ToArray(),
                        from = Time(from), to = Time(to),
                    });
                total += deleted;
                if (deleted == 0) continue;
                foreach (var metric in series)
                    await db.PublishAsync(new ReadingsDeleted(source.Owner ?? user.Id, source.SourceId, metric.Name, Time(from), Time(to), deleted, source.IsShared ? user.Id : null));
            }
            if (source.IsShared && total > 0) await AccessLog.NoteAsync(db, source.As(user), sourceId, "delete", (int)Math.Min(total, int.MaxValue));
            await db.CommitAsync();
            return new Response(total);
        }, ct);

    private static DateTimeOffset? Time(long? at) => at is { } time ? new DateTimeOffset(Timestamp.ToUtc(time)) : null;
}
