using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// A series type over all sources as buckets, in the type's unit. What is summed up over a day (steps) is counted by
/// several devices at once and must not be added up: <c>overlap=best</c>, the default there, takes each bucket from the
/// one series that has most; <c>overlap=all</c> takes all readings as if they were of one series.
/// </summary>
public static class GetSeriesBuckets
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series/buckets", HandleAsync)
        .WithName("GetSeriesBuckets").WithSummary("Read a series type over all sources as buckets of a time zone")
        .WithExample(null, GetBuckets.Example);

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, TimeProvider clock, CancellationToken ct,
        string? type = null, string bucket = "1d", string? time_zone = null, string? from = null, string? to = null, string fill = "none",
        string? overlap = null)
    {
        var all = await SeriesOfType.FindAsync(database, user, type, ct);
        var takesBest = (overlap ?? (all.Type.Aggregation == "sum" ? "best" : "all")) switch
        {
            "best" => true,
            "all" => false,
            _ => throw new ProblemException(400, "unknown-overlap", "'overlap' is best or all."),
        };
        var zone = Zones.Find(time_zone ?? all.Series.Select(series => series.TimeZone).FirstOrDefault(name => name is not null) ?? "UTC", "/time_zone");
        var since = Between.Parse(from, "from") ?? await GetBuckets.FirstAsync(database, user, all.Metrics, bucket, clock, ct);
        var plan = GetBuckets.Plan(bucket, zone, since, to, clock);

        var total = new Bucket[plan.Starts.Length];
        if (all.Series.Length > 0)
        {
            await using var batch = database.Batch(user);
            foreach (var series in all.Series) BucketQuery.Ask(batch, plan, series.SeriesId, series.Slot);
            await using var reader = await batch.ExecuteReaderAsync(ct);
            for (var i = 0; i < all.Series.Length; i++)
            {
                var converter = all.ConverterOf(i);
                var buckets = await BucketQuery.FillAsync(reader, plan, ct);
                for (var b = 0; b < total.Length; b++)
                {
                    var one = buckets[b].In(converter);
                    if (!takesBest) total[b] = total[b].With(one);
                    else if (one.Count > 0 && (total[b].Count == 0 || one.Sum > total[b].Sum)) total[b] = one;
                }
                await reader.NextResultAsync(ct);
            }
        }
        await GetBuckets.WriteAsync(http, plan, total, GetBuckets.Fills(fill), all.Type.Unit);
        return Results.Empty;
    }
}
