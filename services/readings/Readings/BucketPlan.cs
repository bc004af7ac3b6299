using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>A stretch of time that belongs to one bucket and is counted from one table.</summary>
internal readonly record struct Piece(int Bucket, long From, long To);

/// <summary>Which table is read through from one end to the other.</summary>
internal enum Grain { Reading, Hour, Day }

/// <summary>
/// Buckets in a time zone, and the cheapest way to count them exactly. Whole UTC days or hours come from the rollups in
/// one scan; what a boundary cuts through (a local midnight is seldom a UTC one, and some zones are not even whole hours)
/// comes from the next finer table, in pieces.
/// </summary>
internal sealed class BucketPlan
{
    public const int Most = 10_000;
    private const int MostDaysOfReadings = 31;

    private BucketPlan(TimeZoneInfo zone, long[] edges, long from, long to, string size)
    {
        Zone = zone;
        Edges = edges;
        Starts = edges[..^1];
        Starts[0] = Math.Max(Starts[0], from);
        End = Math.Min(edges[^1], to);
        var inner = edges.AsSpan(1, edges.Length - 2);
        Grain = size switch
        {
            "1w" or "1M" => Grain.Day,
            "1d" => AreWhole(inner, Timestamp.Day) ? Grain.Day : Grain.Hour,
            "1h" => AreWhole(inner, Timestamp.Hour) ? Grain.Hour : Grain.Reading,
            _ => Grain.Reading,
        };
        if (Grain == Grain.Reading) return;
        var unit = Grain == Grain.Day ? Timestamp.Day : Timestamp.Hour;
        IsAligned = AreWhole(inner, unit);
        ScanFrom = Ceiling(Starts[0], unit);
        ScanTo = Floor(End, unit);
        for (var i = 0; i < Starts.Length; i++) Cut(i, Starts[i], i + 1 < Starts.Length ? Starts[i + 1] : End, Grain);
    }

    public TimeZoneInfo Zone { get; }

    /// <summary>The boundaries of all buckets, one more than there are buckets.</summary>
    public long[] Edges { get; }

    /// <summary>Where counting begins in each bucket: the first may begin later than the bucket does.</summary>
    public long[] Starts { get; }

    /// <summary>Where counting ends.</summary>
    public long End { get; }

    public Grain Grain { get; }
    public long ScanFrom { get; }
    public long ScanTo { get; }

    /// <summary>No boundary between two buckets cuts through a unit of the scanned table.</summary>
    public bool IsAligned { get; }

    public List<Piece> Hours { get; } = [];
    public List<Piece> Readings { get; } = [];

    /// <summary>Minutes east of UTC, in the plan's zone.</summary>
    public short OffsetAt(long at) => (short)Zone.GetUtcOffset(Timestamp.ToUtc(at)).TotalMinutes;

    /// <summary>The length of what is asked for when no beginning is given.</summary>
    public static long DefaultSpan(string size) => size switch
    {
        "1m" => Timestamp.Day,
        "5m" => 7 * Timestamp.Day,
        "15m" => 31 * Timestamp.Day,
        "1h" => 366 * Timestamp.Day,
        "1d" => 9_000 * Timestamp.Day,
        _ => 50_000 * Timestamp.Day,
    };

    public static BucketPlan Make(string size, TimeZoneInfo zone, long from, long to)
    {
        var minutes = size switch { "1m" => 1, "5m" => 5, "15m" => 15, "1h" => 60, "1d" or "1w" or "1M" => 0, _ => -1 };
        if (minutes < 0) throw new ProblemException(400, "unknown-bucket", "A bucket is one of 1m, 5m, 15m, 1h, 1d, 1w, 1M.");
        if (from >= to) throw new ProblemException(400, "empty-range", "'from' is before 'to'.");
        if (minutes is > 0 and < 60 && to - from > MostDaysOfReadings * Timestamp.Day)
            throw new ProblemException(400, "range-too-long", $"Buckets shorter than an hour cover at most {MostDaysOfReadings} days.");

        var edges = new List<long>();
        long? begin = null;
        var last = from;
        foreach (var end in Periods(size, zone, from, to))
        {
            var step = minutes == 0 ? end - begin : minutes * 60_000_000L;
            // An hour that the clock cuts short ends with its day.
            for (var at = begin ?? end; at < end; at = last)
            {
                last = Math.Min(at + step!.Value, end);
                if (last <= from || at >= to) continue;
                if (edges.Count == Most)
                    throw new ProblemException(400, "too-many-buckets", $"An answer has at most {Most} buckets. Ask for a shorter range or longer buckets.");
                edges.Add(at);
            }
            begin = end;
        }
        // The end of the last bucket that was taken, and not of the last one that was looked at.
        edges.Add(minutes == 0 ? last : Math.Min(edges[^1] + minutes * 60_000_000L, EndOfDay(zone, edges[^1])));
        return new BucketPlan(zone, [.. edges], from, to, size);
    }

    // The beginnings of local days, weeks or months: from the last one not after the range to the first one not before its end.
    private static IEnumerable<long> Periods(string size, TimeZoneInfo zone, long from, long to)
    {
        var date = TimeZoneInfo.ConvertTimeFromUtc(Timestamp.ToUtc(from), zone).Date;
        if (size == "1w") date = date.AddDays(-(((int)date.DayOfWeek + 6) % 7));       // ISO weeks begin on Monday
        if (size == "1M") date = date.AddDays(1 - date.Day);
        var start = LocalDays.Begin(zone, date);
        // Where a day is left out of the calendar, the local date says too much.
        while (start > from) start = LocalDays.Begin(zone, date = Step(date, size, -1));
        yield return start;
        while (start < to) yield return start = LocalDays.Begin(zone, date = Step(date, size, 1));
    }

    private static long EndOfDay(TimeZoneInfo zone, long at) =>
        LocalDays.Begin(zone, TimeZoneInfo.ConvertTimeFromUtc(Timestamp.ToUtc(at), zone).Date.AddDays(1));

    private static DateTime Step(DateTime date, string size, int by) => size switch
    {
        "1w" => date.AddDays(7 * by),
        "1M" => date.AddMonths(by),
        _ => date.AddDays(by),
    };

    private void Cut(int bucket, long from, long to, Grain grain)
    {
        if (from >= to) return;
        if (grain == Grain.Reading)
        {
            Readings.Add(new(bucket, from, to));
            return;
        }
        var unit = grain == Grain.Day ? Timestamp.Day : Timestamp.Hour;
        long first = Ceiling(from, unit), last = Floor(to, unit);
        if (first >= last)
        {
            Cut(bucket, from, to, grain - 1);
            return;
        }
        if (grain < Grain) Hours.Add(new(bucket, first, last));  // the grain itself is scanned
        Cut(bucket, from, first, grain - 1);
        Cut(bucket, last, to, grain - 1);
    }

    private static bool AreWhole(ReadOnlySpan<long> edges, long unit)
    {
        foreach (var edge in edges)
            if (edge % unit != 0) return false;
        return true;
    }

    private static long Floor(long at, long unit) => (at % unit + unit) % unit is var rest ? at - rest : at;

    private static long Ceiling(long at, long unit) => Floor(at + unit - 1, unit);
}

/// <summary>When a local day begins.</summary>
internal static class LocalDays
{
    /// <summary>The first instant of a local date, also where midnight does not exist or comes twice.</summary>
    public static long Begin(TimeZoneInfo zone, DateTime date)
    {
        var midnight = DateTime.SpecifyKind(date, DateTimeKind.Unspecified);
        if (zone.IsInvalidTime(midnight))
        {
            // The clock was put forward over midnight: the day begins where it jumped.
            var before = midnight;
            while (zone.IsInvalidTime(before)) before = before.AddMinutes(-1);
            return Timestamp.Of(DateTime.SpecifyKind(before.AddMinutes(1) - zone.GetUtcOffset(before), DateTimeKind.Utc));
        }
        var offset = zone.IsAmbiguousTime(midnight) ? zone.GetAmbiguousTimeOffsets(midnight).Max() : zone.GetUtcOffset(midnight);
        return Timestamp.Of(DateTime.SpecifyKind(midnight - offset, DateTimeKind.Utc));
    }
}
