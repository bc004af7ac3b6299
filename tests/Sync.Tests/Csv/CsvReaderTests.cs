using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OpenReadings.Chassis;
using OpenReadings.Support;
using OpenReadings.Sync.Csv;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;

namespace OpenReadings.SyncTests.Csv;

public sealed class CsvReaderTests
{
    private const string Power = """{"time": {"column": "at"}, "time_zone": "UTC", "metrics": [{"column": "kWh", "metric": "energy", "unit": "kWh"}]}""";

    [Theory]
    [InlineData("at,kWh\n2024-03-01,1.5\n", "2024-03-01T00:00:00+00:00", 1.5)]
    [InlineData("at;kWh\r\n2024-03-01 08:00;1.5\r\n", "2024-03-01T08:00:00+00:00", 1.5)]
    [InlineData("at\tkWh\n2024-03-01T08:00:01.250+02:00\t-1e2\n", "2024-03-01T08:00:01.25+02:00", -100)]
    [InlineData("\"at\"|\"kWh\"\n\"2024-03-01T08:00Z\"|\"1.5\"", "2024-03-01T08:00:00+00:00", 1.5)]
    [InlineData("\uFEFFat,note,kWh\n2024-03-01,\"a \"\"quoted\"\",\nnote\",1.5\n", "2024-03-01T00:00:00+00:00", 1.5)]
    [InlineData("AT , KWH\n 2024-03-01 24:00 , 1.5 \n", "2024-03-02T00:00:00+00:00", 1.5)]
    [InlineData("at,kWh,extra\n\n2024-03-01T08:00:00-0330,7\n", "2024-03-01T08:00:00-03:30", 7)]
    [InlineData("at,kWh\n2024-03-01T08:00:00+01,+7\n", "2024-03-01T08:00:00+01:00", 7)]
    public void A_row_is_read_whatever_the_delimiter_the_quotes_and_the_line_ends(string text, string at, double value)
    {
        var row = Assert.Single(Read(Power, text).Rows);
        Assert.Equal((at, value), (row.At, row.Values["energy"]));
    }

    [Theory]
    [InlineData("01.03.2024 08:15", "dd.MM.yyyy HH:mm", "2024-03-01T08:15:00+01:00")]
    [InlineData("1.3.2024 8:15", "d.M.yyyy H:mm", "2024-03-01T08:15:00+01:00")]
    [InlineData("03/01/24 08:15 PM", "%m/%d/%y %I:%M %p", "2024-03-01T20:15:00+01:00")]
    [InlineData("01-Mar-2024 08h15", "%d-%b-%Y %Hh%M", "2024-03-01T08:15:00+01:00")]
    [InlineData("20240301081500", "yyyyMMddHHmmss", "2024-03-01T08:15:00+01:00")]
    [InlineData("2024-03-01 08:15:00 +0500", "%Y-%m-%d %H:%M:%S %z", "2024-03-01T08:15:00+05:00")]
    [InlineData("Sun Sep 25 06:00:22 PDT 2011", "ddd MMM dd HH:mm:ss 'PDT' yyyy", "2011-09-25T06:00:22+02:00")]
    [InlineData("31.03.2024 24:00", "dd.MM.yyyy HH:mm", "2024-04-01T00:00:00+02:00")]
    [InlineData("1709277300", "unix", "2024-03-01T08:15:00+01:00")]
    [InlineData("1709277300123", "unix_ms", "2024-03-01T08:15:00.123+01:00")]
    [InlineData("2024-03-01T08:15", "iso", "2024-03-01T08:15:00+01:00")]
    [InlineData("2024-03-01T08:15Z", "iso", "2024-03-01T08:15:00+00:00")]
    public void Times_are_read_as_they_are_written(string written, string format, string at)
    {
        var mapping = $$"""{"time": {"column": 1, "format": "{{format}}"}, "time_zone": "Europe/Ljubljana", "header": false, "delimiter": ";", "metrics": [{"column": 2, "metric": "m"}]}""";
        Assert.Equal(at, Assert.Single(Read(mapping, $"{written};1\n").Rows).At);
    }

    [Theory]
    [InlineData("1.234.567,89", ",", ".", 1234567.89)]
    [InlineData("1,234,567.89", ".", ",", 1234567.89)]
    [InlineData("1 234,5", ",", " ", 1234.5)]
    [InlineData("1'234.5", ".", "'", 1234.5)]
    [InlineData("-0,5", ",", null, -0.5)]
    public void Numbers_are_read_with_the_signs_of_the_file(string written, string sign, string? thousands, double value)
    {
        var mapping = $$"""{"time": {"column": "t"}, "time_zone": "UTC", "decimal": "{{sign}}", "delimiter": ";", {{(thousands is null ? "" : $"\"thousands\": \"{thousands}\",")}} "metrics": [{"column": "v"}]}""";
        Assert.Equal(value, Assert.Single(Read(mapping, $"t;v\n2024-01-01;{written}\n").Rows).Values["v"]);
    }

    [Fact]
    public void Date_and_time_columns_are_joined_and_missing_values_are_left_out()
    {
        const string mapping = """
            {"time": {"date": "Date", "time": "Time"}, "time_zone": "Europe/Paris", "comment": "#", "skip_lines": 2, "null": ["", "?"],
             "metrics": [{"column": "P", "metric": "power", "unit": "kW", "scale": 0.001}, {"column": "Z", "metric": "meter", "unit": "kWh", "counter": true}]}
            """;
        var found = Read(mapping, "Some device\nexported today\nDate,Time,P,Z\n# a comment\n2007-02-01,00:01:00,326,1000.5\n2007-02-01,00:02:00,?,1001\n2007-02-01,00:03:00,,?\n");
        Assert.Equal(2, found.Rows.Count);
        Assert.Equal("2007-02-01T00:01:00+01:00", found.Rows[0].At);
        Assert.Equal(0.326, found.Rows[0].Values["power"], 12);
        Assert.Equal(1000.5, found.Rows[0].Values["meter"]);
        Assert.Equal(["meter"], found.Rows[1].Values.Keys);
        Assert.Equal([5, 6], found.Rows.Select(row => row.Line));
        Assert.Single(found.Skipped);
    }

    [Theory]
    [InlineData("2024-03-01,1.5.2", "not-a-number"), InlineData("2024-03-01,0x10", "not-a-number"), InlineData("2024-03-01,1e999", "not-finite")]
    [InlineData("2024-02-30,1", "impossible-date"), InlineData("01.02.2024,1", "impossible-date"), InlineData("2024-03-01", "too-few-fields")]
    [InlineData("\"2024-03-01,1", "malformed-row"), InlineData("\"2024-03-01\"x,1", "malformed-row"), InlineData("2024-03-01T25:00,1", "impossible-date")]
    public void A_bad_row_is_rejected_with_its_line_and_what_follows_is_read(string bad, string type)
    {
        var found = Read(Power, $"at,kWh\n2024-01-01,1\n{bad}\n2024-01-03,3\n");
        Assert.Equal([1, 3], found.Rows.Select(row => row.Values["energy"]));
        var reject = Assert.Single(found.Rejects);
        Assert.Equal((3, type), (reject.Line, reject.Type));
    }

    [Fact]
    public void A_quote_that_is_never_closed_costs_its_own_line_even_in_a_large_file()
    {
        var lines = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"2024-01-01T00:00:{i % 60:00}Z,{i}\n"));
        var found = Read(Power, $"at,kWh\n\"2024-01-01,5\n{lines}");
        Assert.Equal(20_000, found.Rows.Count);
        Assert.Equal((2, "malformed-row"), (found.Rejects[0].Line, Assert.Single(found.Rejects).Type));
    }

    [Fact]
    public void A_last_line_that_is_shorter_than_the_others_is_a_cut_and_not_half_a_number()
    {
        var found = Read("""{"time": {"column": "t"}, "time_zone": "UTC", "metrics": [{"column": "a"}]}""", "t,a,b\n2024-01-01,17,1\n2024-01-02,1", out var cut);
        Assert.Equal(17, Assert.Single(found.Rows).Values["a"]);
        Assert.Equal("truncated-file", Assert.Single(found.Rejects).Type);
        Assert.True(cut);
    }

    [Fact]
    public void The_hour_that_the_clock_skipped_is_rejected()
    {
        var found = Read(Local("Europe/Ljubljana"), "t,v\n2024-03-31 01:59,1\n2024-03-31 02:00,2\n2024-03-31 02:59,3\n2024-03-31 03:00,4\n");
        Assert.Equal(["2024-03-31T01:59:00+01:00", "2024-03-31T03:00:00+02:00"], found.Rows.Select(row => row.At));
        Assert.Equal(["nonexistent-local-time", "nonexistent-local-time"], found.Rejects.Select(reject => reject.Type));
    }

    [Theory]
    [InlineData("01:45 02:00 02:15 02:30 02:45 02:00 02:15 02:30 02:45 03:00", "2 2 2 2 2 1 1 1 1 1")]     // forward, quarters
    [InlineData("01:00 02:00 02:00 03:00", "2 2 1 1")]                                                       // forward, hours
    [InlineData("03:00 02:45 02:30 02:15 02:00 02:45 02:30 02:15 02:00 01:45", "1 1 1 1 1 2 2 2 2 2")]     // backward, quarters
    [InlineData("03:00 02:00 02:00 01:00", "1 1 2 2")]                                                       // backward, hours
    [InlineData("02:30", "2")]                                                                               // nothing to go by: the first
    public void The_hour_that_the_clock_showed_twice_follows_the_rows_around_it(string times, string offsets)
    {
        var text = "t,v\n" + string.Concat(times.Split(' ').Select(time => $"2024-10-27 {time},1\n"));
        Assert.Equal(offsets.Split(' ').Select(hours => $"+0{hours}:00"), Read(Local("Europe/Ljubljana"), text).Rows.Select(row => row.At[^6..]));
    }

    [Fact]
    public void A_zone_of_half_an_hour_keeps_its_offset() => Assert.Equal(
        ["2024-01-01T00:00:00+10:30", "2024-07-01T00:00:00+10:30", "2024-01-01T00:00:00+11:00"],
        Read(Local("Australia/Adelaide"), "t,v\n2024-01-01,1\n").Rows.Select(row => row.At)
            .Concat(Read(Local("Australia/Lord_Howe"), "t,v\n2024-07-01,1\n2024-01-01,2\n").Rows.Select(row => row.At)));

    [Fact]
    public void Other_encodings_are_read()
    {
        const string mapping = """{"time": {"column": "t"}, "time_zone": "UTC", "encoding": "latin1", "metrics": [{"column": "Außen °C", "unit": "°C"}]}""";
        var bytes = Encoding.Latin1.GetBytes("t;Außen °C\n2024-01-01;1\n");
        var found = new Collected();
        using var reader = new CsvReader(new ByteWindow(Encoding.CreateTranscodingStream(new MemoryStream(bytes), Encoding.Latin1, Encoding.UTF8)), CsvMapping.Parse(mapping), Source(), found);
        while (reader.Read(10)) { }
        Assert.Equal(1, Assert.Single(found.Rows).Values["Außen _C"]);
    }

    [Fact]
    public void A_column_that_is_not_there_is_told_with_those_that_are()
    {
        var refused = Assert.Throws<FileRefusedException>(() => Read(Power, "at,Wh\n2024-01-01,1\n"));
        Assert.Equal("unknown-column", refused.Type);
        Assert.Contains("at, Wh", refused.Message);
    }

    [Fact]
    public void A_file_without_rows_is_refused() => Assert.Equal("no-rows", Assert.Throws<FileRefusedException>(() => Read(Power, "\n\n")).Type);

    [Theory]
    [InlineData("{}"), InlineData("null"), InlineData("[]"), InlineData("not json")]
    [InlineData("""{"time": {}, "metrics": []}""")]
    [InlineData("""{"time": {"column": "t"}, "time_zone": "Mars/Olympus", "metrics": [{"column": "v"}]}""")]
    [InlineData("""{"time": {"column": "t", "format": "dd.MM.yyyy"}, "metrics": [{"column": "v"}]}""")]
    [InlineData("""{"time": {"column": "t", "format": "%Q"}, "time_zone": "UTC", "metrics": [{"column": "v"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "metrics": [{"column": "v", "unit": "bananas"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "metrics": [{"column": "v", "type": "no_such_type"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "metrics": [{"column": "v", "unit": "kg", "type": "heart_rate"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "metrics": [{"column": "v"}, {"column": "w", "metric": "v"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "delimiter": "ab", "metrics": [{"column": "v"}]}""")]
    [InlineData("""{"time": {"column": "t"}, "decimal": ";", "metrics": [{"column": "v"}]}""")]
    [InlineData("""{"time": {"column": 0}, "metrics": [{"column": "v"}]}""")]
    public void A_mapping_that_cannot_work_is_refused_before_any_file(string mapping) =>
        Assert.Equal("invalid-mapping", Assert.Throws<ProblemException>(() => CsvMapping.Parse(mapping)).Type);

    [Fact]
    public void A_reader_goes_on_where_another_stopped_even_within_the_doubled_hour()
    {
        var text = "t,v\n" + string.Concat("01:45 02:00 02:15 02:30 02:45 02:00 02:15 02:30 02:45 03:00".Split(' ').Select((time, i) => $"2024-10-27 {time},{i}\n"));
        var whole = Read(Local("Europe/Ljubljana"), text);
        for (var stop = 1; stop < 10; stop++)
        {
            var found = new Collected();
            using var first = new CsvReader(Window(text), CsvMapping.Parse(Local("Europe/Ljubljana")), Source(), found);
            Assert.True(first.Read(stop));
            var window = Window(text);
            using var second = new CsvReader(window, CsvMapping.Parse(Local("Europe/Ljubljana")), Source(), found);
            second.Resume(window, first.Position.Offset, first.Position.Line, first.State);
            while (second.Read(3)) { }
            Assert.Equal(whole.Rows.Select(row => (row.At, row.Line)), found.Rows.Select(row => (row.At, row.Line)));
        }
    }

    [Fact]
    public void Every_moment_of_any_zone_comes_back_as_it_was_written()
    {
        string[] zones = ["UTC", "Europe/Ljubljana", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"];
        Check.QuickThrowOnFailure(Prop.ForAll(ArbMap.Default.ArbFor<(uint Seconds, byte Zone)>(), pair =>
        {
            var zone = TimeZoneInfo.FindSystemTimeZoneById(zones[pair.Seconds % zones.Length]);
            var moment = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(pair.Seconds % 2_500_000_000 * 7919 % 2_500_000_000), zone);
            var iso = new CsvClock(null, null);
            Assert.True(iso.TryRead(Encoding.ASCII.GetBytes(moment.ToString("yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture)), out var back, out _));
            Assert.Equal((moment, moment.Offset), (back, back.Offset));
            var local = new CsvClock("dd.MM.yyyy HH:mm:ss", zone.Id);
            Assert.True(local.TryRead(Encoding.ASCII.GetBytes(moment.ToString("dd.MM.yyyy HH:mm:ss", CultureInfo.InvariantCulture)), out back, out _));
            Assert.Equal(moment.DateTime, back.DateTime);
            if (!zone.IsAmbiguousTime(moment.DateTime)) Assert.Equal(moment, back);
            Span<byte> wire = new byte[Rfc3339.Longest];
            var written = Encoding.ASCII.GetString(wire[..Rfc3339.Write(moment, wire)]);
            Assert.Equal((moment, moment.Offset), (DateTimeOffset.Parse(written, CultureInfo.InvariantCulture), moment.Offset));
        }));
    }

    [Fact]
    public void A_month_of_house_power_has_the_rows_that_a_plain_count_finds()
    {
        Assert.SkipWhen(TestServers.Shared is null, "The folder of real recordings is not beside the checkout.");
        var file = Path.Combine(TestServers.Shared, "data", "power", "household_power_2007-02.csv");
        const string mapping = """
            {"time": {"date": "Date", "time": "Time"}, "time_zone": "Europe/Paris",
             "metrics": [{"column": "Global_active_power", "unit": "kW"}, {"column": "Voltage", "unit": "V"}, {"column": "Sub_metering_3", "unit": "Wh"}]}
            """;
        var found = Read(mapping, File.ReadAllText(file));
        Assert.Empty(found.Rejects);
        Assert.Equal(File.ReadLines(file).Count() - 1, found.Rows.Count);
        Assert.Equal(("2007-02-01T00:00:00+01:00", 0.326, 243.15), (found.Rows[0].At, found.Rows[0].Values["Global_active_power"], found.Rows[0].Values["Voltage"]));
    }

    [Fact]
    public void A_ride_with_a_device_that_names_its_zone_in_letters_is_read()
    {
        Assert.SkipWhen(TestServers.Shared is null, "The folder of real recordings is not beside the checkout.");
        var file = Path.Combine(TestServers.Shared, "data", "fit", "garmin-edge-500-activity-records.csv");
        const string mapping = """
            {"time": {"column": "timestamp", "format": "ddd MMM dd HH:mm:ss 'PDT' yyyy"}, "time_zone": "America/Los_Angeles",
             "metrics": [{"column": "heart_rate", "unit": "bpm", "type": "heart_rate"}, {"column": "speed", "unit": "m/s"}]}
            """;
        var found = Read(mapping, File.ReadAllText(file));
        Assert.Equal(File.ReadLines(file).Count() - 1, found.Rows.Count + found.Rejects.Count + found.Skipped.Count);
        Assert.Equal(("2011-09-25T06:00:22-07:00", 161), (found.Rows[0].At, found.Rows[0].Values["heart_rate"]));
    }

    private static string Local(string zone) => $$"""{"time": {"column": "t"}, "time_zone": "{{zone}}", "metrics": [{"column": "v"}]}""";

    private static Collected Read(string mapping, string text) => Read(mapping, text, out _);

    private static Collected Read(string mapping, string text, out bool cutShort)
    {
        var found = new Collected();
        using var reader = new CsvReader(Window(text), CsvMapping.Parse(mapping), Source(), found);
        while (reader.Read(7)) { }
        cutShort = reader.CutShort;
        return found;
    }

    private static ByteWindow Window(string text) => new(new MemoryStream(Encoding.UTF8.GetBytes(text)));

    private static Source Source() => new(Guid.NewGuid(), "meter", "csv");
}
