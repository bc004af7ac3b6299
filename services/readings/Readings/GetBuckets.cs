using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// A metric in minutes, hours, days, weeks or months of a time zone, ready to be drawn. A bucket is named by all of its
/// time; readings outside of <c>from</c> and <c>to</c> are not counted in it.
/// </summary>
public static class GetBuckets
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources/{sourceId:guid}/buckets", HandleAsync)
        .WithName("GetBuckets").WithSummary("Read a metric as minutes, hours, days, weeks or months of a time zone")
        .WithExample(null, Example);

    internal const string Example =
        """
        {"buckets": [{"from": "2026-11-20T00:00:00+01:00", "to": "2026-11-21T00:00:00+01:00", "count": 1440,
                      "avg": 63.5, "min": 47, "max": 151, "sum": 91440, "first": 58, "last": 61}]}
        """;

    private sealed record Question(BucketPlan Plan, Metric Metric);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, HttpContext http, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct,
        string? metric = null, string bucket = "1d", string? time_zone = null, string? from = null, string? to = null, string fill = "none")
    {
        Question? asked = null;
        var source = await sources.FindAsync(user, sourceId, ct);
        if (source is null) return Sources.NotFound(sourceId);
        var one = Choose(source, metric);
        var since = Between.Parse(from, "from") ?? await FirstAsync(database, source.As(user), [one], bucket, clock, ct);
        var buckets = await sources.ReadAsync(user, sourceId,
            (batch, now) =>
            {
                var zone = Zones.Find(time_zone ?? now.TimeZone ?? "UTC", "/time_zone");
                asked = new(Plan(bucket, zone, since, to, clock), Choose(now, metric));
                BucketQuery.Ask(batch, asked.Plan, asked.Metric.SeriesId, asked.Metric.Slot, fromReadings: now.IsWindow);
            },
            (reader, _) => BucketQuery.FillAsync(reader, asked!.Plan, ct), ct);
        if (buckets is null) return Sources.NotFound(sourceId);
        await WriteAsync(http, asked!.Plan, buckets, Fills(fill), asked.Metric.Unit);
        return Results.Empty;
    }

    internal static BucketPlan Plan(string bucket, TimeZoneInfo zone, long since, string? to, TimeProvider clock)
    {
        var latest = Timestamp.Of(clock.GetUtcNow().AddDays(1));
        var until = Between.Parse(to, "to") is { } end ? Math.Min(end, latest + Timestamp.Day) : latest;
        return BucketPlan.Make(bucket, zone, Math.Max(since, Timestamp.Earliest), until);
    }

    internal static bool Fills(string fill) => fill switch
    {
        "none" => false,
        "null" => true,
        _ => throw new ProblemException(400, "unknown-fill", "'fill' is none or null."),
    };

    /// <summary>Where an answer begins that was asked for without a beginning: at the first reading, but not before a sensible span.</summary>
    internal static async Task<long> FirstAsync(
        Database database, CurrentUser user, Metric[] metrics, string bucket, TimeProvider clock, CancellationToken ct)
    {
        await using var batch = database.Batch(user);
        batch.Add(
            """
            select min(h.bucket) from unnest($1, $2) as m(series_id, slot)
            cross join lateral (
                select h.bucket from readings_hour h where h.series_id = m.series_id and h.slot = m.slot order by h.bucket limit 1) as h
            """,
            Sql.Array(Array.ConvertAll(metrics, metric => metric.SeriesId), NpgsqlTypes.NpgsqlDbType.Integer),
            Sql.Array(Array.ConvertAll(metrics, metric => metric.Slot), NpgsqlTypes.NpgsqlDbType.Smallint));
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        var now = Timestamp.Of(clock.GetUtcNow());
        return Math.Max(reader.IsDBNull(0) ? now - Timestamp.Hour : reader.GetFieldValue<long>(0), now - BucketPlan.DefaultSpan(bucket));
    }

    internal static async Task WriteAsync(HttpContext http, BucketPlan plan, Bucket[] buckets, bool fill, string unit)
    {
        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WriteStartArray("buckets"u8);
        for (var i = 0; i < buckets.Length; i++)
        {
            if (buckets[i].Count == 0 && !fill) continue;
            json.WriteStartObject();
            json.WriteTime("from"u8, plan.Edges[i], plan.OffsetAt(plan.Edges[i]));
            json.WriteTime("to"u8, plan.Edges[i + 1], plan.OffsetAt(plan.Edges[i + 1]));
            var (one, isEmpty) = (buckets[i], buckets[i].Count == 0);
            json.WriteNumber("count"u8, one.Count);
            Write("avg", one.Sum / one.Count);
            Write("min", one.Min);
            Write("max", one.Max);
            Write("sum", one.Sum);
            Write("first", one.First);
            Write("last", one.Last);
            json.WriteEndObject();

            void Write(string name, double value)
            {
                if (isEmpty) json.WriteNull(name);
                else json.WriteNumber(name, value);
            }
        }
        json.WriteEndArray();
        json.WriteString("unit"u8, unit);
        json.WriteString("time_zone"u8, plan.Zone.Id);
        json.WriteEndObject();
    }

    private static Metric Choose(KnownSource source, string? name) => name is not null ? source.Select([name])[0]
        : source.Metrics.Length == 1 ? source.Metrics[0]
        : throw new ProblemException(400, "metric-required", "The source has several metrics: name one with 'metric'.");
}
