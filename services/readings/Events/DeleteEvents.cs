using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Deletes the events of a source that began in a range of time, of one kind or of all.</summary>
public static class DeleteEvents
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/sources/{sourceId:guid}/events", HandleAsync)
        .WithName("DeleteEvents").WithSummary("Delete events of a source, of one kind or of a range of time")
        .Produces<DeleteReadings.Response>().WithExample(null, """{"deleted": 12}""");

    private static async Task<IResult> HandleAsync(
        Guid sourceId, CurrentUser user, Database database, KnownSources sources, CancellationToken ct, string? kind = null, string? from = null, string? to = null)
    {
        long? since = Between.Parse(from, "from"), until = Between.Parse(to, "to");
        if (await sources.FindAsync(user, sourceId, ct) is not { } source) return Sources.NotFound(sourceId);
        source.Require(Access.Write);
        user = source.As(user);
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ScalarAsync<int?>("select version from sources where source_id = @sourceId", new { sourceId }) is null)
            return Sources.NotFound(sourceId);
        var deleted = await db.ExecuteAsync(
            """
            delete from events
            where source_id = @sourceId and (@kind::text is null or kind = @kind)
                and (@since::timestamptz is null or started_at >= @since) and (@until::timestamptz is null or started_at < @until)
            """,
            new { sourceId, kind, since = Utc(since), until = Utc(until) });
        if (source.IsShared && deleted > 0) await AccessLog.NoteAsync(db, user, sourceId, "delete", deleted);
        await db.CommitAsync();
        return TypedResults.Ok(new DeleteReadings.Response(deleted));
    }

    private static DateTime? Utc(long? at) => at is { } time ? Timestamp.ToUtc(time) : null;
}
