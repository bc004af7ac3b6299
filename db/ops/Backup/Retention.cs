using System.Globalization;

namespace OpenReadings.Ops.Backup;

/// <summary>Grandfather, father, son: the newest set of each of the last so many days, ISO weeks, months and years.</summary>
internal sealed record Retention(int Daily, int Weekly, int Monthly, int Yearly)
{
    /// <summary>The sets to keep of those given; the newest is always one of them.</summary>
    public IReadOnlySet<string> Keep(IReadOnlyList<string> sets)
    {
        var newestFirst = sets.Select(set => (Set: set, Time: TimeOf(set))).OrderByDescending(set => set.Time).ToArray();
        return newestFirst.Take(1)
            .Concat(NewestOfEach(Daily, time => time.Date))
            .Concat(NewestOfEach(Weekly, time => (ISOWeek.GetYear(time), ISOWeek.GetWeekOfYear(time))))
            .Concat(NewestOfEach(Monthly, time => (time.Year, time.Month)))
            .Concat(NewestOfEach(Yearly, time => time.Year))
            .Select(set => set.Set).ToHashSet();

        IEnumerable<(string Set, DateTime Time)> NewestOfEach<T>(int periods, Func<DateTime, T> period) =>
            newestFirst.DistinctBy(set => period(set.Time)).Take(periods);
    }

    private static DateTime TimeOf(string set) =>
        DateTime.ParseExact(set, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
