using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>The person's series over all sources, or those of one type together with their newest value.</summary>
public static class ListSeries
{
    public sealed record Series(Guid SourceId, string Source, string Metric, string Unit, string? Type, string? Aggregation);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series", HandleAsync)
        .WithName("ListSeries").WithSummary("List your series over all sources, with ?type= those of one series type")
        .WithExample(null,
            """
            {"series": [{"source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "source": "Watch", "metric": "heart_rate",
                         "unit": "/min", "type": "heart_rate", "aggregation": "average"}],
             "latest": {"at": "2026-11-20T07:30:00+02:00", "value": 58, "unit": "/min",
                        "source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "metric": "heart_rate"}}
            """);

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, TimeProvider clock, CancellationToken ct, string? type = null)
    {
        var all = await SeriesOfType.ListAsync(database, user, type, ct);
        var latest = type is null || all.Count == 0
            ? null
            : await GetSeriesLatest.NewestAsync(database, user, await SeriesOfType.FindAsync(database, user, type, ct), clock, ct);

        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WriteStartArray("series"u8);
        foreach (var series in all)
        {
            json.WriteStartObject();
            json.WriteString("source_id"u8, series.SourceId);
            json.WriteString("source"u8, series.Source);
            json.WriteString("metric"u8, series.Metric);
            json.WriteString("unit"u8, series.Unit);
            json.WriteString("type"u8, series.Type);
            json.WriteString("aggregation"u8, series.Aggregation);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (latest is not null)
        {
            json.WritePropertyName("latest"u8);
            GetSeriesLatest.Write(json, latest);
        }
        json.WriteEndObject();
        return Results.Empty;
    }
}
