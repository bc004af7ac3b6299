using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Stores readings of one source, as rows, as columns or as a stream of lines. Good items are stored, bad ones are named;
/// sending the same again changes nothing and says so. Everything of a request is stored in one transaction.
/// </summary>
public static class RecordReadings
{
    public sealed record Response(int Stored, int Unchanged, int Replaced, IReadOnlyList<ProblemItem> Rejected);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/sources/{sourceId:guid}/readings", HandleAsync)
        .WithName("RecordReadings").WithSummary("Store readings of a source: rows, columns, or one row a line (application/x-ndjson)")
        .WithDescription(
            "An item that names a metric which was shared with you for reading only is rejected as access-too-low, one outside of your window as "
            + "outside-window; the others are stored. 403 access-too-low where every item names such a metric.")
        // The body is read by hand, and the filter would look through the others, the person too, at each reading.
        .DisableValidation()
        .Produces<Response>().WithExample(
            """
            {"readings": [
              {"at": "2026-11-20T07:30:00+02:00", "values": {"systolic": 121, "diastolic": 79}},
              {"at": "2026-11-20T19:30:00+02:00", "values": {"systolic": 127, "pulse": 61}}]}
            """,
            """
            {"stored": 1, "unchanged": 0, "replaced": 0, "rejected": [
              {"pointer": "/readings/1/values/pulse", "type": "unknown-metric", "detail": "This source has no metric 'pulse'."}]}
            """);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, HttpContext http, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct)
    {
        var isLines = http.Request.ContentType?.StartsWith("application/x-ndjson", StringComparison.OrdinalIgnoreCase) ?? false;
        if (!isLines && !http.Request.HasJsonContentType())
            return Problems.Of(415, "unsupported-media-type", "Send application/json or application/x-ndjson.");

        using var body = await RequestBody.ReadAsync(http, ct);
        var answer = await sources.WriteAsync(user, sourceId, async source =>
        {
            var given = new ReadingsBody(source, clock.GetUtcNow());
            if (isLines) given.ReadLines(body.Bytes);
            else given.ReadJson(body.Bytes);
            return await StoreAsync(database, user, source, given, ct);
        }, ct);
        return answer is null ? Sources.NotFound(sourceId) : TypedResults.Ok(answer);
    }

    internal static async Task<Response> StoreAsync(
        Database database, CurrentUser user, KnownSource source, ReadingsBody given, CancellationToken ct)
    {
        var outcomes = new Outcome[given.Items];
        var all = given.Series.Where(rows => rows.Count > 0).ToArray();
        if (all.Length == 0)
            return given.IsWhollyTooLow ? throw KnownSource.Refused(Access.Write) : Summary(outcomes, given.Rejected);

        await using var batch = database.Batch(source.As(user));
        foreach (var rows in all)
        {
            rows.Normalise(outcomes);
            batch.Add(
                """
                select stored, replaced, existed, changed
                from store_readings($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                """,
                Sql.Value(rows.SeriesId), Sql.Value(source.SourceId), Sql.Value(source.Version), Sql.Times(rows.At), Sql.Value(rows.Offset),
                Sql.Array(rows.HasOneOffset ? null : rows.Offsets, NpgsqlDbType.Smallint), rows.Values(1), rows.Values(2), rows.Values(3),
                Sql.Value(OrderedId.Next()), Sql.Value(rows.Metrics.Select(metric => metric.Name).ToArray()), Sql.Text(rows.Metrics[0].Type),
                Sql.Text(Activity.Current?.Id));
        }

        // Behind the others: its result is nobody's to read.
        if (source.IsShared) AccessLog.Note(batch, source.As(user), source.SourceId, "write", all.Sum(rows => rows.Count));

        await using (var reader = await batch.ExecuteReaderAsync(ct))
        {
            foreach (var rows in all)
            {
                await reader.ReadAsync(ct);
                rows.Tell(outcomes, reader.GetInt32(0), reader.GetInt32(1), TimesOf(reader, 2), TimesOf(reader, 3));
                await reader.NextResultAsync(ct);
            }
        }
        batch.WakeRelay();
        return Summary(outcomes, given.Rejected);
    }

    private static long[]? TimesOf(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<long[]>(column);

    private static Response Summary(Outcome[] outcomes, IReadOnlyList<ProblemItem> rejected) => new(
        outcomes.AsSpan().Count(Outcome.Stored), outcomes.AsSpan().Count(Outcome.Unchanged), outcomes.AsSpan().Count(Outcome.Replaced), rejected);
}
