using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Rows of a source in ascending order of time, each with the values of several metrics: metrics that share a time are one
/// row, wherever they are stored.
/// </summary>
internal sealed class ReadingPage(Metric[] metrics, CurrentUser? tells)
{
    public const int MaxRows = 10_000;
    private const int MaxCells = 1_000_000;                     // a page of very many metrics has fewer rows

    private const string OneSeries =
        """
        select at, utc_offset, series_id, value, value2, value3, written_by
        from readings
        where series_id = $1 and at >= $2 and at < $3
        order by at
        limit $4
        """;

    // Each series gives its first rows in the order of its index, and only those are sorted together.
    private const string SeveralSeries =
        """
        select r.at, r.utc_offset, r.series_id, r.value, r.value2, r.value3, r.written_by
        from unnest($1, $5) as s(series_id, slots)
        cross join lateral (
            select r.at, r.utc_offset, r.series_id, r.value, r.value2, r.value3, r.written_by
            from readings r
            where r.series_id = s.series_id and r.at >= $2 and r.at < $3
                and (s.slots & 1 <> 0 and r.value is not null or s.slots & 2 <> 0 and r.value2 is not null
                    or s.slots & 4 <> 0 and r.value3 is not null)
            order by r.at
            limit $4) as r
        order by r.at, r.series_id
        """;

    private readonly List<long> at = [];
    private readonly List<short> offset = [];
    private readonly List<double> values = [];                  // NaN where a row has no value of a metric
    private readonly List<int> writerOf = [];                   // of each value, as soon as anybody is told of: the place in writers, or -1
    private readonly List<Guid> writers = [];
    private readonly Dictionary<int, int[]> places = Places(metrics);

    public Metric[] Metrics => metrics;
    public int Count => at.Count;
    public long At(int row) => at[row];
    public short Offset(int row) => offset[row];
    public double Value(int row, int metric) => values[row * metrics.Length + metric];

    /// <summary>Who wrote a value, where that was not its owner and the reader may know.</summary>
    public Guid? WriterOf(int row, int metric) => HasWriters && writerOf[row * metrics.Length + metric] is >= 0 and var place ? writers[place] : null;

    public bool HasWriters => writers.Count > 0;

    /// <summary>There are further rows behind the last one.</summary>
    public bool HasMore { get; private set; }

    /// <summary>Adds the query for one page to a batch.</summary>
    public static void Ask(UserBatch batch, Metric[] metrics, bool everySlot, long from, long to, int limit)
    {
        var series = metrics.GroupBy(metric => metric.SeriesId).OrderBy(group => group.Key).ToArray();
        if (series.Length == 1 && everySlot)
            batch.Add(OneSeries, Sql.Value(series[0].Key), Sql.Time(from), Sql.Time(to), Sql.Value((long)limit + 1));
        else
            batch.Add(SeveralSeries, Sql.Array([.. series.Select(group => group.Key)], NpgsqlDbType.Integer), Sql.Time(from), Sql.Time(to),
                Sql.Value((long)limit + 1), Sql.Array([.. series.Select(group => group.Sum(metric => 1 << (metric.Slot - 1)))], NpgsqlDbType.Integer));
    }

    /// <summary>The page of one source's metrics, or null where the person has no such source.</summary>
    public static Task<ReadingPage?> ReadAsync(
        KnownSources sources, CurrentUser user, Guid sourceId, string[]? names, long from, long to, int limit, bool tellsWriters, CancellationToken ct)
    {
        Metric[] metrics = [];
        var (asked, rows) = (user, limit);
        return sources.ReadAsync(user, sourceId,
            (batch, source) =>
            {
                (asked, metrics) = (source.As(user), source.Select(names));
                rows = Math.Min(limit, MaxCells / Math.Max(1, metrics.Length));
                // A row of a series that is asked for as a whole has a value that was asked for.
                var everySlot = metrics.Length == source.Metrics.Count(metric => metrics.Any(one => one.SeriesId == metric.SeriesId));
                Ask(batch, metrics, everySlot, from, to, rows);
            },
            async (reader, _) =>
            {
                var page = new ReadingPage(metrics, tellsWriters ? asked : null);
                await page.FillAsync(reader, rows, ct);
                return page;
            }, ct);
    }

    public async Task FillAsync(NpgsqlDataReader reader, int limit, CancellationToken ct)
    {
        while (await reader.ReadAsync(ct))
        {
            var time = reader.GetFieldValue<long>(0);
            if (Count == 0 || at[^1] != time)
            {
                if (Count == limit)
                {
                    HasMore = true;
                    return;
                }
                at.Add(time);
                offset.Add(reader.GetInt16(1));
                for (var i = 0; i < metrics.Length; i++) values.Add(double.NaN);
                if (HasWriters) WritersOfNobody();
            }
            var place = places[reader.GetInt32(2)];
            var by = tells is null || reader.IsDBNull(6) ? [] : reader.GetFieldValue<Guid?[]>(6);
            for (var slot = 0; slot < 3; slot++)
            {
                if (place[slot] < 0 || reader.IsDBNull(3 + slot)) continue;
                var cell = values.Count - metrics.Length + place[slot];
                values[cell] = reader.GetDouble(3 + slot);
                if (slot < by.Length && Writer.Shown(by[slot], tells!.Value) is { } writer) Tell(cell, writer);
            }
        }
    }

    private void Tell(int cell, Guid writer)
    {
        var place = writers.IndexOf(writer);
        if (place < 0)
        {
            place = writers.Count;
            writers.Add(writer);
        }
        WritersOfNobody();
        writerOf[cell] = place;
    }

    private void WritersOfNobody()
    {
        while (writerOf.Count < values.Count) writerOf.Add(-1);
    }

    // Which column of the page each slot of each series fills; -1 for none.
    private static Dictionary<int, int[]> Places(Metric[] metrics)
    {
        var places = new Dictionary<int, int[]>();
        for (var i = 0; i < metrics.Length; i++)
        {
            if (!places.TryGetValue(metrics[i].SeriesId, out var slots)) places.Add(metrics[i].SeriesId, slots = [-1, -1, -1]);
            slots[metrics[i].Slot - 1] = i;
        }
        return places;
    }
}
