using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>The newest value of a metric, and who wrote it where that was somebody else.</summary>
internal readonly record struct LatestValue(long At, short Offset, double Value, Guid? WrittenBy)
{
    /// <summary>From the columns after the first: at, utc_offset, value, written_by.</summary>
    public static LatestValue Of(NpgsqlDataReader reader, CurrentUser user) => new(
        reader.GetFieldValue<long>(1), reader.GetInt16(2), reader.GetDouble(3), reader.IsDBNull(4) ? null : Writer.Shown(reader.GetGuid(4), user));
}

/// <summary>The newest value of each metric of a source, or of those that are named, in one call.</summary>
public static class GetLatest
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources/{sourceId:guid}/latest", HandleAsync)
        .WithName("GetLatest").WithSummary("Read the newest value of each metric")
        .WithExample(null, """{"latest": {"systolic": {"at": "2026-11-20T07:30:00+02:00", "value": 121, "written_by": "0190f3d2-0001-7b00-8000-000000000008", "unit": "mm[Hg]"}}}""");

    // What is measured at all was mostly measured lately, and sixty days are three partitions and not forty.
    private const string Lately =
        """
        select m.i, r.at, r.utc_offset, r.value, r.written_by[m.slot]
        from unnest($1, $2) with ordinality as m(series_id, slot, i)
        cross join lateral (
            select r.at, r.utc_offset, case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end as value, r.written_by
            from readings r
            where r.series_id = m.series_id and r.at >= $3 and r.at < $4
                and case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end is not null
            order by r.at desc
            limit 1) as r
        """;

    // The newest hour that has anything says where to look. Its end is a column, because under row-level security a sum is
    // no index condition.
    private const string Ever =
        """
        select m.i, r.at, r.utc_offset, r.value, r.written_by[m.slot]
        from unnest($1, $2) with ordinality as m(series_id, slot, i)
        cross join lateral (
            select h.bucket, h.bucket + interval '1 hour' as until
            from readings_hour h
            where h.series_id = m.series_id and h.slot = m.slot
            order by h.bucket desc
            limit 1) as h
        cross join lateral (
            select r.at, r.utc_offset, case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end as value, r.written_by
            from readings r
            where r.series_id = m.series_id and r.at >= h.bucket and r.at < h.until
                and case m.slot when 1 then r.value when 2 then r.value2 else r.value3 end is not null
            order by r.at desc
            limit 1) as r
        """;

    private static async Task<IResult> HandleAsync(
        Guid sourceId, HttpContext http, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct,
        [FromQuery] string[]? metric = null)
    {
        Metric[] metrics = [];
        var asked = user;
        var latest = await sources.ReadAsync(user, sourceId,
            (batch, source) =>
            {
                asked = source.As(user);
                Ask(batch, Lately, metrics = source.Select(metric), clock);
            },
            async (reader, _) => await FillAsync(reader, asked, new LatestValue?[metrics.Length], ct), ct);
        if (latest is null) return Sources.NotFound(sourceId);
        await CompleteAsync(database, asked, metrics, latest, clock, ct);

        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WriteStartObject("latest"u8);
        for (var i = 0; i < metrics.Length; i++)
        {
            if (latest[i] is not { } value) continue;
            json.WriteStartObject(metrics[i].Name);
            Write(json, value);
            json.WriteString("unit"u8, metrics[i].Unit);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteEndObject();
        return Results.Empty;
    }

    /// <summary>The newest values of metrics of any sources.</summary>
    internal static async Task<LatestValue?[]> ReadAsync(
        Database database, CurrentUser user, Metric[] metrics, TimeProvider clock, CancellationToken ct)
    {
        var latest = new LatestValue?[metrics.Length];
        await using (var batch = database.Batch(user))
        {
            Ask(batch, Lately, metrics, clock);
            await using var reader = await batch.ExecuteReaderAsync(ct);
            await FillAsync(reader, user, latest, ct);
        }
        await CompleteAsync(database, user, metrics, latest, clock, ct);
        return latest;
    }

    /// <summary>For the metrics that nothing was found of lately.</summary>
    private static async Task CompleteAsync(
        Database database, CurrentUser user, Metric[] metrics, LatestValue?[] latest, TimeProvider clock, CancellationToken ct)
    {
        var missing = Enumerable.Range(0, metrics.Length).Where(i => latest[i] is null).ToArray();
        if (missing.Length == 0) return;
        await using var batch = database.Batch(user);
        Ask(batch, Ever, [.. missing.Select(i => metrics[i])], clock);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var found = await FillAsync(reader, user, new LatestValue?[missing.Length], ct);
        for (var i = 0; i < missing.Length; i++) latest[missing[i]] = found[i];
    }

    private static void Ask(UserBatch batch, string sql, Metric[] metrics, TimeProvider clock)
    {
        var now = Timestamp.Of(clock.GetUtcNow());
        NpgsqlParameter series = Sql.Array(Array.ConvertAll(metrics, metric => metric.SeriesId), NpgsqlDbType.Integer),
            slots = Sql.Array(Array.ConvertAll(metrics, metric => metric.Slot), NpgsqlDbType.Smallint);
        if (sql == Ever) batch.Add(sql, series, slots);
        else batch.Add(sql, series, slots, Sql.Time(now - 60 * Timestamp.Day), Sql.Time(now + 2 * Timestamp.Day));
    }

    private static async Task<LatestValue?[]> FillAsync(NpgsqlDataReader reader, CurrentUser user, LatestValue?[] latest, CancellationToken ct)
    {
        while (await reader.ReadAsync(ct))
            latest[reader.GetInt64(0) - 1] = LatestValue.Of(reader, user);
        return latest;
    }

    internal static void Write(Utf8JsonWriter json, LatestValue latest)
    {
        json.WriteTime("at"u8, latest.At, latest.Offset);
        json.WriteNumber("value"u8, latest.Value);
        if (latest.WrittenBy is { } writer) json.WriteString("written_by"u8, writer);
    }
}
