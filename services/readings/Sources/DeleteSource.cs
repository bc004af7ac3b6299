using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>Deletes a source with its readings, rollups and events. A second time there is nothing left to find: 404.</summary>
public static class DeleteSource
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/sources/{sourceId:guid}", HandleAsync)
        .WithName("DeleteSource").WithSummary("Delete a source and everything it holds").Produces(204);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, CurrentUser user, Database database, KnownSources known, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ScalarAsync<int?>("select version from sources where source_id = @sourceId for update", new { sourceId }) is null)
            return Sources.NotFound(sourceId);
        await EraseAsync(db, sourceId);
        await db.PublishAsync(new SourceDeleted(user.Id, sourceId));
        await db.CommitAsync();
        known.Forget(user, sourceId);
        return TypedResults.NoContent();
    }

    /// <summary>The caller holds the source's row, so no series is being added. Series by series: each statement stays short.</summary>
    internal static async Task EraseAsync(UserTransaction db, Guid sourceId)
    {
        var series = await db.QueryAsync<int>("select series_id from series where source_id = @sourceId order by series_id", new { sourceId });
        await db.ExecuteAsync("select lock_series(@series)", new { series = series.ToArray() });
        foreach (var seriesId in series) await db.ExecuteAsync("delete from readings where series_id = @seriesId", new { seriesId });
        await db.ExecuteAsync("delete from sources where source_id = @sourceId", new { sourceId });
    }
}
