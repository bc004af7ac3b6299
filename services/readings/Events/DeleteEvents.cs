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
        var answer = await sources.WriteAsync(user, sourceId, async source =>
        {
            source.Require(Access.Write);
            source.EventsWritable?.Require(since, until);
            await using var db = await database.BeginAsync(source.As(user), ct);
            if (await db.ScalarAsync<int?>("select version from sources where source_id = @sourceId", new { sourceId }) is null) return null;
            const string Meant =
                """
                from events
                where source_id = @sourceId and (@kind::text is null or kind = @kind)
                    and (@since::timestamptz is null or started_at >= @since) and (@until::timestamptz is null or started_at < @until)
                """;
            var range = new { sourceId, kind, since = Utc(since), until = Utc(until) };
            var deleted = await db.ExecuteAsync($"delete {Meant}", range);
            // What is left begins in the window and ends behind it: all or nothing.
            if (source.EventsWritable is { } open && await db.ScalarAsync<bool>($"select exists (select {Meant})", range)) throw new ProblemException(403, Windows.Outside, open.Text);
            if (source.IsShared && deleted > 0) await AccessLog.NoteAsync(db, source.As(user), sourceId, "delete", deleted);
            await db.CommitAsync();
            return new DeleteReadings.Response(deleted);
        }, ct);
        return answer is null ? Sources.NotFound(sourceId) : TypedResults.Ok(answer);
    }

    private static DateTime? Utc(long? at) => at is { } time ? Timestamp.ToUtc(time) : null;
}
