using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>The newest value of a series type, whichever source it is from, in the type's unit.</summary>
public static class GetSeriesLatest
{
    internal sealed record Newest(TypedSeries Series, LatestValue Value, string Unit);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series/latest", HandleAsync)
        .WithName("GetSeriesLatest").WithSummary("Read the newest value of a series type over all sources")
        .WithExample(null,
            """
            {"latest": {"at": "2026-11-20T07:30:00+02:00", "value": 58, "unit": "/min",
                        "source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "metric": "heart_rate"}}
            """);

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, TimeProvider clock, CancellationToken ct, string? type = null)
    {
        var newest = await NewestAsync(database, user, await SeriesOfType.FindAsync(database, user, type, ct), clock, ct);
        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WritePropertyName("latest"u8);
        if (newest is null) json.WriteNullValue();
        else Write(json, newest);
        json.WriteEndObject();
        return Results.Empty;
    }

    internal static async Task<Newest?> NewestAsync(
        Database database, CurrentUser user, SeriesOfType all, TimeProvider clock, CancellationToken ct)
    {
        if (all.Series.Length == 0) return null;
        var latest = await GetLatest.ReadAsync(database, user, all.Metrics, clock, ct);
        var best = Enumerable.Range(0, latest.Length).Where(i => latest[i] is not null).OrderByDescending(i => latest[i]!.Value.At).Cast<int?>().FirstOrDefault();
        if (best is not { } one) return null;
        var value = latest[one]!.Value;
        return new Newest(all.Series[one], value with { Value = all.ConverterOf(one).Convert(value.Value) }, all.Type.Unit);
    }

    internal static void Write(Utf8JsonWriter json, Newest newest)
    {
        json.WriteStartObject();
        GetLatest.Write(json, newest.Value);
        json.WriteString("unit"u8, newest.Unit);
        json.WriteString("source_id"u8, newest.Series.SourceId);
        json.WriteString("metric"u8, newest.Series.Metric);
        json.WriteEndObject();
    }
}
