using System.Net;

namespace OpenReadings.ReadingsTests;

public sealed class RecordTests(ReadingsService service)
{
    [Fact]
    public async Task A_composite_reading_is_one_row_in_and_out()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        var body = """{"readings": [{"at": "2026-11-20T07:30:00.25+02:00", "values": {"systolic": 121, "diastolic": 79.5, "pulse": 61}}]}""";

        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(cuff, body));
        Assert.Equal((0, 1, 0, 0), await ada.CountsAsync(cuff, body));
        var answer = await ada.GetAsync($"sources/{cuff}/readings");
        Assert.Equal("""{"readings":[{"at":"2026-11-20T07:30:00.25+02:00","values":{"systolic":121,"diastolic":79.5,"pulse":61}}]}""", answer.GetRawText());
        Assert.Single(await service.TruthAsync<int>(
            "select 1 from readings where series_id in (select series_id from series where source_id = @cuff)", new { cuff }));
        var latest = await ada.GetAsync($"sources/{cuff}/latest");
        Assert.Equal("""{"at":"2026-11-20T07:30:00.25+02:00","value":79.5,"unit":"mm[Hg]"}""", latest.GetProperty("latest").GetProperty("diastolic").GetRawText());
        var day = Assert.Single((await ada.GetAsync($"sources/{cuff}/buckets?metric=systolic&bucket=1d")).GetProperty("buckets").EnumerateArray());
        Assert.Equal("2026-11-20T00:00:00+01:00", day.GetProperty("from").GetString());
        Assert.Equal(121, day.GetProperty("sum").GetDouble());
    }

    [Fact]
    public async Task Types_of_one_panel_are_stored_as_one_row_without_being_told()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(
            """
            {"name": "Cuff", "kind": "cuff", "metrics": {
              "sys": {"unit": "mmHg", "type": "blood_pressure_systolic"}, "dia": {"unit": "mmHg", "type": "blood_pressure_diastolic"}}}
            """);
        await ada.RecordAsync(cuff, """{"readings": [{"at": "2026-11-20T07:30:00Z", "values": {"dia": 79, "sys": 121}}]}""");
        Assert.Equal((121.0, 79.0), Assert.Single(await service.TruthAsync<(double, double)>(
            "select value, value2 from readings where series_id in (select series_id from series where source_id = @cuff)", new { cuff })));
    }

    [Fact]
    public async Task A_row_counts_once_however_many_series_its_values_are_stored_in()
    {
        var ada = service.NewPerson();
        var meter = await ada.SourceAsync("""{"name": "Meters", "kind": "meter", "metrics": {"power": "kWh", "water": "m3", "gas": "m3"}}""");
        string Row(int minute, params (string, double)[] values) => Given.Row(Given.Minute(minute), values);

        Assert.Equal((2, 0, 0, 0), await ada.CountsAsync(meter, Given.Rows(
            Row(1, ("power", 1), ("water", 2), ("gas", 3)), Row(2, ("power", 1), ("gas", 3)))));
        // 1: as it was; 2: one value is another; 3: a value is new beside an old one; 4: all new.
        await ada.RecordAsync(meter, Given.Rows(Row(3, ("power", 9))));
        Assert.Equal((2, 1, 1, 0), await ada.CountsAsync(meter, Given.Rows(
            Row(1, ("power", 1), ("water", 2), ("gas", 3)), Row(2, ("power", 1), ("gas", 4)),
            Row(3, ("power", 9), ("gas", 5)), Row(4, ("power", 9), ("water", 8)))));
    }

    [Fact]
    public async Task Columns_and_lines_say_the_same_as_rows()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var columns = """
            {"columns": [{"metric": "heart_rate", "at": ["2026-11-20T07:00:00Z", "2026-11-20T07:01:00Z"], "values": [61, 62.5]},
                         {"at": ["2026-11-20T07:01:00Z"], "values": [17], "metric": "steps"}]}
            """;
        Assert.Equal((3, 0, 0, 0), await ada.CountsAsync(watch, columns));
        Assert.Equal((0, 3, 0, 0), await ada.CountsAsync(watch, columns));

        var bob = service.NewPerson();
        var other = await bob.SourceAsync(Person.Watch);
        var lines = """
            {"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}
            {"values": {"steps": 17, "heart_rate": 62.5}, "at": "2026-11-20T07:01:00Z"}
            """.ReplaceLineEndings("\r\n") + "\r\n\r\n";
        Assert.Equal((2, 0, 0, 0), await bob.CountsAsync(other, lines, "application/x-ndjson"));
        Assert.Equal((await ada.GetAsync($"sources/{watch}/readings")).GetRawText(), (await bob.GetAsync($"sources/{other}/readings")).GetRawText());
        // A column may be a line as well.
        Assert.Equal((1, 1, 0, 0), await bob.CountsAsync(other,
            """{"metric": "steps", "at": ["2026-11-20T07:01:00Z", "2026-11-20T07:02:00Z"], "values": [17, 3]}""", "application/x-ndjson"));
    }

    [Fact]
    public async Task Composite_columns_meet_in_one_row()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        Assert.Equal((4, 0, 0, 0), await ada.CountsAsync(cuff,
            """
            {"columns": [{"metric": "systolic", "at": ["2026-11-20T08:00:00Z", "2026-11-20T07:00:00Z"], "values": [121, 119]},
                         {"metric": "diastolic", "at": ["2026-11-20T07:00:00Z", "2026-11-20T08:00:00Z"], "values": [79, 81]}]}
            """));
        Assert.Equal("""[{"at":"2026-11-20T07:00:00Z","values":{"systolic":119,"diastolic":79}},{"at":"2026-11-20T08:00:00Z","values":{"systolic":121,"diastolic":81}}]""",
            (await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings").GetRawText());
        // A value that was not named keeps what it was.
        Assert.Equal((0, 0, 1, 0), await ada.CountsAsync(cuff, """{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"pulse": 60}}]}"""));
        Assert.Equal("""{"systolic":119,"diastolic":79,"pulse":60}""",
            (await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings")[0].GetProperty("values").GetRawText());
    }

    [Fact]
    public async Task Within_one_request_the_last_one_wins()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        Assert.Equal((2, 1, 1, 0), await ada.CountsAsync(watch, Given.Rows(
            Given.Row("2026-11-20T07:01:00Z", ("heart_rate", 60)), Given.Row("2026-11-20T07:00:00Z", ("heart_rate", 50)),
            Given.Row("2026-11-20T08:01:00+01:00", ("heart_rate", 61)), Given.Row("2026-11-20T07:00:00Z", ("heart_rate", 50)))));
        Assert.Equal("""[{"at":"2026-11-20T07:00:00Z","values":{"heart_rate":50}},{"at":"2026-11-20T08:01:00+01:00","values":{"heart_rate":61}}]""",
            (await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").GetRawText());
    }

    [Theory]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"power": 1}}""", "/values/power", "unknown-metric")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"a/b~c": 1}}""", "/values/a~1b~0c", "unknown-metric")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 1e999}}""", "/values/heart_rate", "not-finite")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": "NaN"}}""", "/values/heart_rate", "not-finite")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": "61"}}""", "/values/heart_rate", "not-a-number")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": null}}""", "/values/heart_rate", "not-a-number")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {"steps": 1, "heart_rate": {"value": [1]}}}""", "/values/heart_rate", "not-a-number")]
    [InlineData("""{"at": "2026-02-30T07:00:00Z", "values": {"heart_rate": 61}}""", "/at", "impossible-date")]
    [InlineData("""{"at": "2126-02-28T07:00:00Z", "values": {"heart_rate": 61}}""", "/at", "impossible-date")]
    [InlineData("""{"at": "1899-12-31T23:59:59Z", "values": {"heart_rate": 61}}""", "/at", "impossible-date")]
    [InlineData("""{"at": "2026-11-20T07:00:00", "values": {"heart_rate": 61}}""", "/at", "missing-offset")]
    [InlineData("""{"at": "this morning", "values": {"heart_rate": 61}}""", "/at", "not-a-time")]
    [InlineData("""{"at": 1763622000, "values": {"heart_rate": 61}}""", "/at", "not-a-time")]
    [InlineData("""{"values": {"heart_rate": 61}}""", "/at", "missing-time")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z"}""", "/values", "missing-values")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": {}}""", "/values", "missing-values")]
    [InlineData("""{"at": "2026-11-20T07:00:00Z", "values": 61}""", "/values", "missing-values")]
    [InlineData("""[61]""", "", "not-an-object")]
    [InlineData("""null""", "", "not-an-object")]
    public async Task A_bad_item_is_named_and_the_good_ones_are_stored(string bad, string pointer, string type)
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        string Good(int hour) => $"{{\"note\": [\"ignored\"], {Given.Row($"2026-11-20T0{hour}:30:00Z", ("heart_rate", 61))[1..]}";

        var answer = await ada.RecordAsync(watch, Given.Rows(Good(1), bad, Good(2)));
        Assert.Equal((2, 0, 0, 1), Person.Counts(answer));
        var rejected = answer.GetProperty("rejected")[0];
        Assert.Equal(("/readings/1" + pointer, type), (rejected.GetProperty("pointer").GetString(), rejected.GetProperty("type").GetString()));
        Assert.NotEmpty(rejected.GetProperty("detail").GetString()!);

        var lines = await ada.RecordAsync(watch, $"{Good(3)}\n{bad}\n{Good(4)}", "application/x-ndjson");
        Assert.Equal((2, 0, 0, 1), Person.Counts(lines));
        Assert.Equal("/1" + pointer, lines.GetProperty("rejected")[0].GetProperty("pointer").GetString());
    }

    [Fact]
    public async Task Bad_cells_of_a_column_are_named_one_by_one()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var answer = await ada.RecordAsync(watch,
            """
            {"columns": [{"metric": "altitude", "at": ["2026-11-20T07:00:00Z"], "values": [1]},
              {"metric": "heart_rate", "at": ["2026-11-20T07:00:00Z", "2026-11-20T07:01:00", "2026-11-20T07:02:00Z", "2026-11-20T07:03:00Z"], "values": [61, 62, "x", -1e999]}]}
            """);
        Assert.Equal((1, 0, 0, 4), Person.Counts(answer));
        Assert.Equal(
            ["/columns/0/metric unknown-metric", "/columns/1/at/1 missing-offset", "/columns/1/values/2 not-a-number", "/columns/1/values/3 not-finite"],
            answer.GetProperty("rejected").EnumerateArray().Select(item => $"{item.GetProperty("pointer")} {item.GetProperty("type")}"));
    }

    [Theory]
    [InlineData("""{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}, {"at": "2026""", 400, "malformed-json")]
    [InlineData("""{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}]} more""", 400, "malformed-json")]
    [InlineData("""{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": NaN}}]}""", 400, "malformed-json")]
    [InlineData("""[]""", 400, "malformed-json")]
    [InlineData("""{"reading": []}""", 400, "malformed-json")]
    [InlineData("""{"readings": {}}""", 400, "malformed-json")]
    [InlineData("", 400, "malformed-json")]
    [InlineData("""{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}], "columns": [{"metric": "steps", "at": ["2026-11-20T07:00:00Z"], "values": []}]}""", 400, "columns-uneven")]
    public async Task A_body_that_is_wrong_as_a_whole_stores_nothing(string body, int status, string type)
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var (code, problem) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", body);
        Assert.Equal((status, type), ((int)code, problem.GetProperty("type").GetString()));
        Assert.Empty((await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").EnumerateArray());
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/x-ndjson")]
    public async Task The_ten_thousand_and_first_item_stores_nothing(string type)
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var rows = Enumerable.Range(0, 10_001).Select(i => Given.Row(Given.Minute(i), ("heart_rate", 60 + i % 7))).ToArray();
        string Body(int count) => type == "application/json" ? Given.Rows(rows.Take(count)) : string.Join('\n', rows.Take(count));

        var (status, problem) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", Body(10_001), type);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "too-many-items"), (status, problem.GetProperty("type").GetString()));
        Assert.Empty((await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").EnumerateArray());
        Assert.Equal((10_000, 0, 0, 0), await ada.CountsAsync(watch, Body(10_000), type));
        Assert.Equal((0, 10_000, 0, 0), await ada.CountsAsync(watch, Body(10_000), type));
    }

    [Fact]
    public async Task Ten_thousand_and_one_cells_of_columns_store_nothing()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        string Column(string metric, int count) =>
            Given.Column(metric, Enumerable.Range(0, count).Select(Given.Minute), Enumerable.Repeat(60.0, count));
        var (status, problem) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings",
            Given.Columns(Column("heart_rate", 6000), Column("steps", 4001)));
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "too-many-items"), (status, problem.GetProperty("type").GetString()));
        Assert.Empty((await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").EnumerateArray());
    }

    [Fact]
    public async Task A_body_of_fifty_megabytes_stores_nothing_and_is_answered()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var body = """{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}]}""".PadRight(50_000_000);
        var (status, problem) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", body);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "body-too-large"), (status, problem.GetProperty("type").GetString()));
        Assert.Empty((await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").EnumerateArray());
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(watch, body[..49_999_999]));
    }

    [Fact]
    public async Task Another_media_type_is_refused()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var (status, problem) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", "at,heart_rate", "text/csv");
        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "unsupported-media-type"), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task An_unknown_source_is_not_found()
    {
        var (status, problem) = await service.NewPerson().SendAsync(HttpMethod.Post, $"sources/{Guid.NewGuid()}/readings",
            """{"readings": [{"at": "2026-11-20T07:00:00Z", "values": {"heart_rate": 61}}]}""");
        Assert.Equal((HttpStatusCode.NotFound, "source-not-found"), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task Numbers_come_back_as_short_as_they_read_back()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        double[] values = [0.1, 1.0 / 3, 1e21, 5e-324, double.MaxValue, -0.0, 123456789012345680, 72.30000000000001, -1.5];
        await ada.RecordAsync(watch, Given.Rows(values.Select((value, i) => Given.Row(Given.Minute(i), ("heart_rate", value)))));
        var read = (await ada.GetAsync($"sources/{watch}/readings")).GetProperty("readings").EnumerateArray().Select(row => row.GetProperty("values").GetProperty("heart_rate"));
        Assert.Equal(values, read.Select(value => value.GetDouble()));
        Assert.Equal(["0.1", "0.3333333333333333", "1E+21"], read.Take(3).Select(value => value.GetRawText()));
    }

    [Fact]
    public async Task The_same_batch_sixteen_times_at_once_is_one_set_of_rows_with_exact_rollups()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        var body = Given.Rows(Enumerable.Range(0, 500).Select(i =>
            Given.Row(Given.Minute(i), ("systolic", 120 + i % 9), ("diastolic", 80 + i % 5))));
        var counts = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => ada.CountsAsync(cuff, body)));

        Assert.Equal(500, counts.Sum(count => count.Item1));
        Assert.Equal(15 * 500, counts.Sum(count => count.Item2));
        Assert.Equal(0, counts.Sum(count => count.Item3 + count.Item4));
        await RollupTests.AssertExactAsync(service, cuff);
        Assert.Equal(500, (await ada.GetAsync($"sources/{cuff}/readings?limit=1000")).GetProperty("readings").GetArrayLength());
    }

    [Fact]
    public async Task Different_batches_of_one_series_at_once_lose_nothing()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        // Each request overlaps its neighbours, in the opposite order of its series, and names some values anew.
        await Task.WhenAll(Enumerable.Range(0, 12).Select(batch =>
        {
            var rows = Enumerable.Range(batch * 100, 200).Select(i => batch % 2 == 0
                ? Given.Row(Given.Minute(i), ("heart_rate", batch), ("steps", 1))
                : Given.Row(Given.Minute(i), ("steps", 1), ("heart_rate", batch)));
            return ada.RecordAsync(watch, Given.Rows(rows));
        }));
        await RollupTests.AssertExactAsync(service, watch);
        Assert.Equal(1300, (await ada.GetAsync($"sources/{watch}/readings?limit=10000")).GetProperty("readings").GetArrayLength());
    }
}
