using System.Globalization;
using OpenReadings.Ops.Backup;

namespace OpenReadings.Ops.Tests.Backup;

public sealed class RetentionTests
{
    private static readonly Retention Usual = new(7, 5, 12, 3);

    [Fact]
    public void Three_and_a_half_years_of_nightly_backups_and_prunings_leave_days_weeks_months_and_years()
    {
        var sets = new List<string>();
        var last = new DateTimeOffset(2026, 11, 26, 2, 0, 0, TimeSpan.Zero);
        for (var night = last.AddDays(-1300); night <= last; night = night.AddDays(1))
        {
            sets.Add(Manifest.NameOf(night));
            var keep = Usual.Keep(sets);
            Assert.Contains(sets[^1], keep);
            sets.RemoveAll(set => !keep.Contains(set));
            Assert.True(sets.Count <= 7 + 5 + 12 + 3, $"{sets.Count} sets after {night:d}");
        }
        var times = sets.Select(set => DateTime.ParseExact(set, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal)).ToArray();
        for (var days = 0; days < 7; days++) Assert.Contains(times, time => time.Date == last.UtcDateTime.Date.AddDays(-days));
        for (var weeks = 0; weeks < 5; weeks++) Assert.Contains(times, time => ISOWeek.GetWeekOfYear(time) == ISOWeek.GetWeekOfYear(last.UtcDateTime.AddDays(-7 * weeks)));
        for (var months = 0; months < 12; months++) Assert.Contains(times, time => (time.Year, time.Month) == (last.AddMonths(-months).Year, last.AddMonths(-months).Month));
        Assert.Equal([2024, 2025, 2026], times.Select(time => time.Year).Distinct().Order());
    }

    [Fact]
    public void Backups_that_stopped_long_ago_are_not_deleted_because_time_goes_by()
    {
        var sets = Enumerable.Range(0, 7).Select(day => Manifest.NameOf(new DateTimeOffset(2020, 1, 1 + day, 2, 0, 0, TimeSpan.Zero))).ToArray();
        Assert.Equal(7, Usual.Keep(sets).Count);
    }

    [Fact]
    public void Of_several_sets_of_a_day_the_newest_stays()
    {
        string[] sets = ["20261126T010000Z", "20261126T130000Z", "20261125T010000Z", "20261125T130000Z"];
        Assert.Equal(["20261125T130000Z", "20261126T130000Z"], new Retention(7, 0, 0, 0).Keep(sets).Order());
    }

    [Fact]
    public void Keeping_nothing_keeps_the_newest() =>
        Assert.Equal(["20261126T130000Z"], new Retention(0, 0, 0, 0).Keep(["20261126T130000Z", "20251126T130000Z"]));
}
