using System.Globalization;
using System.Net;
using System.Text.Json;

namespace OpenReadings.ReadingsTests;

public sealed class BucketTests(ReadingsService service)
{
    private sealed record Reading(DateTimeOffset At, double Value);

    [Theory]
    [InlineData("Europe/Berlin", "2026-03-27", 5)]          // the clock goes forward on the 29th
    [InlineData("Europe/Berlin", "2025-10-24", 5)]          // and back on the 26th
    [InlineData("America/New_York", "2026-03-06", 5)]
    [InlineData("America/New_York", "2025-10-31", 5)]
    [InlineData("Asia/Kolkata", "2026-03-27", 5)]           // half an hour
    [InlineData("Asia/Kathmandu", "2026-03-27", 5)]         // three quarters of an hour
    [InlineData("Australia/Lord_Howe", "2026-04-03", 5)]    // the clock goes back by half an hour on the 5th
    [InlineData("Australia/Lord_Howe", "2025-10-03", 5)]    // and forward on the 5th
    [InlineData("America/Santiago", "2025-09-05", 5)]       // the 7th begins at one o'clock
    [InlineData("Pacific/Apia", "2011-12-28", 5)]           // there was no 30th of December 2011
    [InlineData("UTC", "2026-03-27", 5)]
    public async Task Buckets_say_what_counting_the_readings_one_by_one_says(string zoneName, string firstDay, int days)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(zoneName);
        var ada = service.NewPerson();
        var source = await ada.SourceAsync("""{"name": "Test", "kind": "test", "metrics": {"a": {"unit": "1", "group": "g"}, "b": {"unit": "1", "group": "g"}}}""");
        var random = new Random(firstDay.GetHashCode(StringComparison.Ordinal));
        var start = DateTime.SpecifyKind(DateTime.Parse(firstDay, CultureInfo.InvariantCulture), DateTimeKind.Utc);
        var readings = Enumerable.Range(0, days * 96).Where(_ => random.Next(4) > 0)
            .Select(i => new Reading(start.AddMinutes(i * 15 + random.Next(15)).AddSeconds(random.Next(60)), random.Next(-80, 800) / 8.0)).ToList();
        await ada.RecordAsync(source, Given.Rows(readings.Select(one => Given.Row(Given.Time(one.At.UtcDateTime), ("b", one.Value)))));
        await ada.RecordAsync(source, Given.Rows(readings.Select(one => Given.Row(Given.Time(one.At.UtcDateTime.AddSeconds(-30)), ("a", -1)))));

        // Ends that lie on no boundary: the readings outside of them are not counted.
        DateTimeOffset from = start.AddHours(7).AddMinutes(20), to = start.AddDays(days).AddHours(-3).AddSeconds(-25);
        foreach (var size in new[] { "5m", "15m", "1h", "1d", "1w", "1M" })
        {
            var expected = Naive(readings.Where(one => one.At >= from && one.At < to), size, zone);
            var answer = await ada.GetAsync(
                $"sources/{source}/buckets?metric=b&bucket={size}&time_zone={zoneName}&from={Given.Time(from.UtcDateTime)}&to={Given.Time(to.UtcDateTime)}");
            Assert.Equal(expected, answer.GetProperty("buckets").EnumerateArray().Select(Describe));
        }
    }

    [Fact]
    public async Task Weeks_and_months_over_years_say_what_counting_says()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync("""{"name": "Meter", "kind": "meter", "time_zone": "Asia/Kathmandu", "metrics": {"reading": "kWh"}}""");
        var random = new Random(7);
        var readings = Enumerable.Range(0, 4000)
            .Select(i => new Reading(new DateTimeOffset(2023, 11, 5, 0, 0, 0, TimeSpan.Zero).AddMinutes(i * 360 + random.Next(360)), random.Next(0, 800) / 8.0)).ToList();
        await ada.RecordAsync(source, Given.Columns(Given.Column("reading", readings.Select(one => Given.Time(one.At.UtcDateTime)), readings.Select(one => one.Value))));
        foreach (var zoneName in new[] { "Asia/Kathmandu", "Europe/Berlin", "UTC", "Australia/Lord_Howe" })
            foreach (var size in new[] { "1d", "1w", "1M" })
            {
                var answer = await ada.GetAsync($"sources/{source}/buckets?bucket={size}&time_zone={zoneName}");
                Assert.Equal(Naive(readings, size, TimeZoneInfo.FindSystemTimeZoneById(zoneName)), answer.GetProperty("buckets").EnumerateArray().Select(Describe));
            }
        Assert.Equal("Asia/Kathmandu", (await ada.GetAsync($"sources/{source}/buckets")).GetProperty("time_zone").GetString());
    }

    [Fact]
    public async Task A_day_is_as_long_as_the_clock_makes_it()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        async Task<List<JsonElement>> Days(string zone, string from, string to, string size) => [.. (await ada.GetAsync(
            $"sources/{watch}/buckets?metric=steps&bucket={size}&time_zone={zone}&fill=null&from={Uri.EscapeDataString(from)}&to={Uri.EscapeDataString(to)}"))
            .GetProperty("buckets").EnumerateArray()];

        var forward = await Days("Europe/Berlin", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "1d");
        Assert.Equal(("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"), (forward[0].GetProperty("from").GetString(), forward[0].GetProperty("to").GetString()));
        Assert.Single(forward);
        Assert.Equal(23, (await Days("Europe/Berlin", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "1h")).Count);
        Assert.Equal(25, (await Days("Europe/Berlin", "2025-10-26T00:00:00+02:00", "2025-10-27T00:00:00+01:00", "1h")).Count);
        // 24 and a half hours: the last bucket of the day is the half.
        var lordHowe = await Days("Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", "2026-04-06T00:00:00+10:30", "1h");
        Assert.Equal(25, lordHowe.Count);
        Assert.Equal(("2026-04-05T23:30:00+10:30", "2026-04-06T00:00:00+10:30"), (lordHowe[^1].GetProperty("from").GetString(), lordHowe[^1].GetProperty("to").GetString()));
    }

    [Fact]
    public async Task Gaps_are_left_out_or_null_as_asked()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Given.Row("2026-10-01T10:00:00Z", ("heart_rate", 60)), Given.Row("2026-10-03T10:00:00Z", ("heart_rate", 62))));
        var path = $"sources/{watch}/buckets?metric=heart_rate&from=2026-10-01T00:00:00Z&to=2026-10-04T00:00:00Z";
        Assert.Equal(2, (await ada.GetAsync(path)).GetProperty("buckets").GetArrayLength());
        Assert.Equal(
            [
                """{"from":"2026-10-01T00:00:00Z","to":"2026-10-02T00:00:00Z","count":1,"avg":60,"min":60,"max":60,"sum":60,"first":60,"last":60}""",
                """{"from":"2026-10-02T00:00:00Z","to":"2026-10-03T00:00:00Z","count":0,"avg":null,"min":null,"max":null,"sum":null,"first":null,"last":null}""",
                """{"from":"2026-10-03T00:00:00Z","to":"2026-10-04T00:00:00Z","count":1,"avg":62,"min":62,"max":62,"sum":62,"first":62,"last":62}""",
            ],
            (await ada.GetAsync(path + "&fill=null")).GetProperty("buckets").EnumerateArray().Select(bucket => bucket.GetRawText()));
    }

    [Theory]
    [InlineData("metric=heart_rate&bucket=2d", "unknown-bucket")]
    [InlineData("metric=heart_rate&time_zone=Europe/Atlantis", "unknown-time-zone")]
    [InlineData("metric=heart_rate&time_zone=../../etc/passwd", "unknown-time-zone")]
    [InlineData("metric=heart_rate&fill=zero", "unknown-fill")]
    [InlineData("metric=weight", "unknown-metric")]
    [InlineData("", "metric-required")]
    [InlineData("metric=heart_rate&from=2026-10-02T00:00:00Z&to=2026-10-01T00:00:00Z", "empty-range")]
    [InlineData("metric=heart_rate&bucket=1m&from=2026-10-01T00:00:00Z&to=2026-10-08T00:00:00Z", "too-many-buckets")]
    [InlineData("metric=heart_rate&bucket=15m&from=2026-08-01T00:00:00Z&to=2026-10-08T00:00:00Z", "range-too-long")]
    [InlineData("metric=heart_rate&bucket=1d&from=1900-01-01T00:00:00Z", "too-many-buckets")]
    public async Task A_question_that_makes_no_sense_is_refused(string query, string type)
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var (status, problem) = await ada.SendAsync(HttpMethod.Get, $"sources/{watch}/buckets?{query}");
        Assert.Equal((HttpStatusCode.BadRequest, type), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task A_source_without_readings_has_no_buckets()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        foreach (var size in new[] { "1m", "5m", "15m", "1h", "1d", "1w", "1M" })
            Assert.Empty((await ada.GetAsync($"sources/{watch}/buckets?metric=steps&bucket={size}")).GetProperty("buckets").EnumerateArray());
    }

    // The slow and simple way: each reading is put into the bucket of its local time.
    private static IEnumerable<string> Naive(IEnumerable<Reading> readings, string size, TimeZoneInfo zone) => readings
        .OrderBy(one => one.At).GroupBy(one => BucketOf(one.At, size, zone)).OrderBy(group => group.Key).Select(group => string.Create(CultureInfo.InvariantCulture,
            $"{group.Key.ToUniversalTime():yyyy-MM-dd HH:mm} {group.Count()} {group.Average(one => one.Value)} {group.Min(one => one.Value)} {group.Max(one => one.Value)} {group.Sum(one => one.Value)} {group.First().Value} {group.Last().Value}"));

    private static string Describe(JsonElement bucket)
    {
        double Number(string name) => bucket.GetProperty(name).GetDouble();
        return string.Create(CultureInfo.InvariantCulture,
            $"{bucket.GetProperty("from").GetDateTimeOffset().ToUniversalTime():yyyy-MM-dd HH:mm} {bucket.GetProperty("count")} {Number("avg")} {Number("min")} {Number("max")} {Number("sum")} {Number("first")} {Number("last")}");
    }

    private static DateTimeOffset BucketOf(DateTimeOffset at, string size, TimeZoneInfo zone)
    {
        var date = TimeZoneInfo.ConvertTime(at, zone).Date;
        if (size == "1w") date = date.AddDays(-(((int)date.DayOfWeek + 6) % 7));
        if (size == "1M") date = new DateTime(date.Year, date.Month, 1);
        var begin = FirstInstantOf(date, zone);
        var minutes = size switch { "5m" => 5, "15m" => 15, "1h" => 60, _ => 0 };
        return minutes == 0 ? begin : begin.AddMinutes(Math.Floor((at - begin).TotalMinutes / minutes) * minutes);
    }

    // Walks through the minutes around midnight and takes the first one with that date.
    private static DateTimeOffset FirstInstantOf(DateTime date, TimeZoneInfo zone)
    {
        var at = new DateTimeOffset(date, TimeSpan.Zero).AddHours(-16);
        while (TimeZoneInfo.ConvertTime(at, zone).Date < date) at = at.AddMinutes(15);
        return at;
    }
}
