using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>What is known of the readings in one bucket. A count of zero: nothing.</summary>
internal readonly record struct Bucket(
    long Count, double Sum, double Min, double Max, long FirstAt, double First, long LastAt, double Last)
{
    /// <summary>In another unit: a value is the other's times a factor, plus a shift between scales of temperature.</summary>
    public Bucket In(Units.Converter unit) => Count == 0 || unit.IsIdentity ? this : this with
    {
        Sum = Sum * unit.Factor + Count * unit.Offset,
        Min = unit.Convert(Min),
        Max = unit.Convert(Max),
        First = unit.Convert(First),
        Last = unit.Convert(Last),
    };

    /// <summary>As if the readings of both had been in one series.</summary>
    public Bucket With(Bucket other) => Count == 0 ? other : other.Count == 0 ? this : new(
        Count + other.Count, Sum + other.Sum, Math.Min(Min, other.Min), Math.Max(Max, other.Max),
        Math.Min(FirstAt, other.FirstAt), FirstAt <= other.FirstAt ? First : other.First,
        Math.Max(LastAt, other.LastAt), LastAt >= other.LastAt ? Last : other.Last);
}

/// <summary>Counts the buckets of a plan: one statement for each series.</summary>
internal static class BucketQuery
{
    // $1 series, $2 slot, $3 where each bucket begins, and at last where the last one ends, $4 and $5 the range.
    // width_bucket finds a time's bucket by binary search.
    private const string Begin =
        """
        with counted as materialized (
            select p.i, p.i + 1 as next, sum(p.n)::int8 as n, sum(p.vsum) as vsum, min(p.vmin) as vmin, max(p.vmax) as vmax
            from (

        """;

    private const string ScanReadings =
        """
                select width_bucket(r.at, $3) as i, count(*) as n, sum(v.value) as vsum, min(v.value) as vmin, max(v.value) as vmax
                from readings r
                cross join lateral (select case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end as value) as v
                where r.series_id = $1 and r.at >= $4 and r.at < $5 and v.value is not null
                group by 1

        """;

    // $6 and $7 the range of whole hours, $8 that no boundary cuts through one. One that is cut begins and ends in two buckets.
    private const string ScanHours =
        """
                select width_bucket(h.bucket, $3) as i, h.n, h.vsum, h.vmin, h.vmax
                from readings_hour h
                where h.series_id = $1 and h.slot = $2 and h.bucket >= $6 and h.bucket < $7
                    and ($8 or width_bucket(h.bucket, $3) = width_bucket(h.bucket + interval '00:59:59.999999', $3))

        """;

    private const string ScanDays =
        """
                select width_bucket(d.bucket, $3) as i, d.n, d.vsum, d.vmin, d.vmax
                from readings_day d
                where d.series_id = $1 and d.slot = $2 and d.bucket >= $6 and d.bucket < $7
                    and ($8 or width_bucket(d.bucket, $3) = width_bucket(d.bucket + interval '23:59:59.999999', $3))

        """;

    // $9, $10, $11: pieces of time shorter than an hour, or at the ends. The range is said again to leave out partitions.
    private const string PiecesOfReadings =
        """
                union all
                select p.i, r.n, r.vsum, r.vmin, r.vmax
                from unnest($9, $10, $11) as p(i, since, until)
                cross join lateral (
                    select count(*) as n, sum(v.value) as vsum, min(v.value) as vmin, max(v.value) as vmax
                    from readings r
                    cross join lateral (select case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end as value) as v
                    where r.series_id = $1 and r.at >= p.since and r.at < p.until and r.at >= $4 and r.at < $5 and v.value is not null) as r

        """;

    // $12, $13, $14: pieces of whole hours.
    private const string PiecesOfHours =
        """
                union all
                select p.i, h.n, h.vsum, h.vmin, h.vmax
                from unnest($12, $13, $14) as p(i, since, until)
                cross join lateral (
                    select sum(h.n) as n, sum(h.vsum) as vsum, min(h.vmin) as vmin, max(h.vmax) as vmax
                    from readings_hour h
                    where h.series_id = $1 and h.slot = $2 and h.bucket >= p.since and h.bucket < p.until) as h

        """;

    // Under row-level security only what cannot leak is an index condition: a plain subscript is, coalesce or i + 1 are not.
    private const string FirstAndLast =
        """
            ) as p
            group by p.i
            having sum(p.n) > 0)
        select c.i, c.n, c.vsum, c.vmin, c.vmax, f.at, f.value, l.at, l.value
        from counted c
        cross join lateral (
            select r.at, case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end as value
            from readings r
            where r.series_id = $1 and r.at >= ($3)[c.i] and r.at < ($3)[c.next] and r.at >= $4 and r.at < $5
                and case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end is not null
            order by r.at
            limit 1) as f
        cross join lateral (
            select r.at, case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end as value
            from readings r
            where r.series_id = $1 and r.at >= ($3)[c.i] and r.at < ($3)[c.next] and r.at >= $4 and r.at < $5
                and case $2::int2 when 1 then r.value when 2 then r.value2 else r.value3 end is not null
            order by r.at desc
            limit 1) as l
        """;

    private const string OfReadings = Begin + ScanReadings + FirstAndLast;
    private const string OfHours = Begin + ScanHours + PiecesOfReadings + FirstAndLast;
    private const string OfDays = Begin + ScanDays + PiecesOfReadings + PiecesOfHours + FirstAndLast;

    public static void Ask(UserBatch batch, BucketPlan plan, int seriesId, short slot, bool fromReadings = false)
    {
        var grain = fromReadings ? Grain.Reading : plan.Grain;
        var parameters = new List<NpgsqlParameter>
        {
            Sql.Value(seriesId), Sql.Value(slot), Sql.Times([.. plan.Starts, plan.End]), Sql.Time(plan.Starts[0]), Sql.Time(plan.End),
        };
        if (grain != Grain.Reading)
            parameters.AddRange([Sql.Time(plan.ScanFrom), Sql.Time(plan.ScanTo), Sql.Value(plan.IsAligned), .. Pieces(plan.Readings)]);
        if (grain == Grain.Day) parameters.AddRange(Pieces(plan.Hours));
        batch.Add(grain switch { Grain.Reading => OfReadings, Grain.Hour => OfHours, _ => OfDays }, [.. parameters]);
    }

    public static async Task<Bucket[]> FillAsync(NpgsqlDataReader reader, BucketPlan plan, CancellationToken ct)
    {
        var buckets = new Bucket[plan.Starts.Length];
        while (await reader.ReadAsync(ct))
            buckets[reader.GetInt32(0) - 1] = new(
                reader.GetInt64(1), reader.GetDouble(2), reader.GetDouble(3), reader.GetDouble(4),
                reader.GetFieldValue<long>(5), reader.GetDouble(6), reader.GetFieldValue<long>(7), reader.GetDouble(8));
        return buckets;
    }

    private static NpgsqlParameter[] Pieces(List<Piece> pieces) =>
    [
        Sql.Array([.. pieces.Select(piece => piece.Bucket + 1)], NpgsqlDbType.Integer),
        Sql.Times([.. pieces.Select(piece => piece.From)]), Sql.Times([.. pieces.Select(piece => piece.To)]),
    ];
}
