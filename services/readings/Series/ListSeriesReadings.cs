using System.ComponentModel.DataAnnotations;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Readings of a series type from all sources in the order of time, each with its source, in the type's unit.</summary>
public static class ListSeriesReadings
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series/readings", HandleAsync)
        .WithName("ListSeriesReadings").WithSummary("Read a range of a series type over all sources")
        .WithExample(null,
            """
            {"readings": [{"at": "2026-11-20T07:30:00+02:00", "value": 58, "source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44",
                           "metric": "heart_rate", "written_by": "0190f3d2-0001-7b00-8000-000000000008"}], "unit": "/min"}
            """);

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, TimeProvider clock, CancellationToken ct,
        string? type = null, string? from = null, string? to = null, [Range(1, ReadingPage.MaxRows)] int limit = 1000, string? after = null)
    {
        var (start, end) = Between.All(from, to, clock);
        var question = $"{type}|{from}|{to}";
        // Several sources may have a reading of the same moment: the cursor counts how many of them were answered.
        var (behind, within) = after is null ? (long.MinValue, 0) : Paging.Read(after, question);
        if (after is not null) start = behind;
        var all = await SeriesOfType.FindAsync(database, user, type, ct);
        var converters = Enumerable.Range(0, all.Series.Length).Select(all.ConverterOf).ToArray();

        await using var batch = database.Batch(user);
        batch.Add(
            """
            select m.i, r.at, r.utc_offset, r.value, r.written_by[m.slot]
            from unnest($1, $2) with ordinality as m(series_id, slot, i)
            cross join lateral (
                select r.at, r.utc_offset, case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end as value, r.written_by
                from readings r
                where r.series_id = m.series_id and r.at >= $3 and r.at < $4
                    and case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end is not null
                order by r.at
                limit $5) as r
            order by r.at, m.i
            limit $5
            """,
            Sql.Array(Array.ConvertAll(all.Series, series => series.SeriesId), NpgsqlDbType.Integer),
            Sql.Array(Array.ConvertAll(all.Series, series => series.Slot), NpgsqlDbType.Smallint),
            Sql.Time(start), Sql.Time(end), Sql.Value((long)limit + within + 1));
        var rows = new List<(int Series, LatestValue Value)>();
        await using (var reader = await batch.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
                rows.Add(((int)reader.GetInt64(0) - 1, LatestValue.Of(reader, user)));
        rows.RemoveRange(0, Math.Min(rows.TakeWhile(row => row.Value.At == behind).Count(), within));

        string? next = null;
        if (rows.Count > limit)
        {
            var last = rows[limit - 1].Value.At;
            var same = rows.Take(limit).Count(row => row.Value.At == last) + (last == behind ? within : 0);
            Paging.Link(http, next = Paging.Cursor(last, same, question));
        }
        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WriteStartArray("readings"u8);
        foreach (var (series, value) in rows.Take(limit))
        {
            json.WriteStartObject();
            GetLatest.Write(json, value with { Value = converters[series].Convert(value.Value) });
            json.WriteString("source_id"u8, all.Series[series].SourceId);
            json.WriteString("metric"u8, all.Series[series].Metric);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("unit"u8, all.Type.Unit);
        if (next is not null) json.WriteString("next"u8, next);
        json.WriteEndObject();
        return Results.Empty;
    }
}
