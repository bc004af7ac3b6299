using System.Net;

namespace OpenReadings.ReadingsTests;

public sealed class ListTests(ReadingsService service)
{
    [Theory]
    [InlineData("", 7)]
    [InlineData("&metric=heart_rate", 10)]
    [InlineData("&metric=systolic&metric=heart_rate", 1)]
    [InlineData("&metric=diastolic", 3)]
    public async Task Pages_show_every_row_once(string query, int limit)
    {
        var ada = service.NewPerson();
        var source = await MixedAsync(ada);
        var all = (await ada.GetAsync($"sources/{source}/readings?limit=10000{query}")).GetProperty("readings").EnumerateArray().Select(row => row.GetRawText()).ToList();
        Assert.NotEmpty(all);

        var paged = new List<string>();
        string? after = null;
        do
        {
            using var response = await ada.RawAsync(HttpMethod.Get, $"sources/{source}/readings?limit={limit}{query}{(after is null ? "" : $"&after={after}")}");
            var page = await Person.JsonAsync(response);
            paged.AddRange(page.GetProperty("readings").EnumerateArray().Select(row => row.GetRawText()));
            after = page.TryGetProperty("next", out var next) ? next.GetString() : null;
            Assert.True(page.GetProperty("readings").GetArrayLength() == limit || after is null);
            if (after is null) Assert.False(response.Headers.Contains("Link"));
            else Assert.Contains($"after={after}>; rel=\"next\"", response.Headers.GetValues("Link").Single());
        }
        while (after is not null);
        Assert.Equal(all, paged);
    }

    [Fact]
    public async Task The_link_leads_to_the_next_page()
    {
        var ada = service.NewPerson();
        var source = await MixedAsync(ada);
        using var first = await ada.RawAsync(HttpMethod.Get, $"sources/{source}/readings?limit=5&from={Uri.EscapeDataString("2026-10-01T02:00:00+02:00")}&metric=heart_rate");
        var link = first.Headers.GetValues("Link").Single();
        using var second = await ada.Http.GetAsync(link[1..link.IndexOf('>', StringComparison.Ordinal)], ReadingsService.Ct);
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        var rows = (await Person.JsonAsync(second)).GetProperty("readings");
        Assert.Equal((5, Given.Minute(5)), (rows.GetArrayLength(), rows[0].GetProperty("at").GetString()));
    }

    [Fact]
    public async Task A_range_begins_with_from_and_ends_before_to()
    {
        var ada = service.NewPerson();
        var source = await MixedAsync(ada);
        var rows = (await ada.GetAsync($"sources/{source}/readings?metric=heart_rate&from={Given.Minute(3)}&to={Given.Minute(6)}")).GetProperty("readings");
        Assert.Equal([Given.Minute(3), Given.Minute(4), Given.Minute(5)], rows.EnumerateArray().Select(row => row.GetProperty("at").GetString()));
        // A plus sign that nobody encoded is understood.
        Assert.Equal(3, (await ada.GetAsync($"sources/{source}/readings?metric=heart_rate&from=2026-10-01T02:03:00+02:00&to={Given.Minute(6)}")).GetProperty("readings").GetArrayLength());
    }

    [Theory]
    [InlineData("metric=weight", "unknown-metric")]
    [InlineData("from=yesterday", "invalid-time")]
    [InlineData("to=2026-10-01T00:00:00", "invalid-time")]
    [InlineData("limit=0", "validation-failed")]
    [InlineData("limit=10001", "validation-failed")]
    [InlineData("limit=many", "bad-request")]
    [InlineData("after=x", "invalid-cursor")]
    [InlineData("after=AAMB9HBrQgAAAAAAx3kq1fZm0Qk", "invalid-cursor")]
    public async Task A_question_that_makes_no_sense_is_refused(string query, string type)
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        var (status, problem) = await ada.SendAsync(HttpMethod.Get, $"sources/{source}/readings?{query}");
        Assert.Equal((HttpStatusCode.BadRequest, type), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_question()
    {
        var ada = service.NewPerson();
        var source = await MixedAsync(ada);
        var next = (await ada.GetAsync($"sources/{source}/readings?limit=5&metric=heart_rate")).GetProperty("next").GetString();
        Assert.Equal("invalid-cursor", (await ada.SendAsync(HttpMethod.Get, $"sources/{source}/readings?limit=5&metric=systolic&after={next}")).Answer.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Csv_and_lines_hold_the_whole_range()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        for (var part = 0; part < 3; part++)
            await ada.RecordAsync(source, Given.Columns(
                Given.Column("heart_rate", Enumerable.Range(part * 9000, 9000).Select(Given.Minute), Enumerable.Range(0, 9000).Select(i => 60 + i % 9 / 2.0))));
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("steps", 12))));

        using var csv = await ada.RawAsync(HttpMethod.Get, $"sources/{source}/readings", null, "", ("Accept", "text/csv"));
        Assert.Equal("text/csv", csv.Content.Headers.ContentType!.MediaType);
        var lines = (await csv.Content.ReadAsStringAsync(ReadingsService.Ct)).Split("\r\n");
        Assert.Equal(["at,heart_rate,steps", "2026-10-01T00:00:00Z,60,", "2026-10-01T00:01:00Z,60.5,12"], lines.Take(3));
        Assert.Equal(27_000 + 2, lines.Length);
        Assert.Equal(Enumerable.Range(0, 27_000).Select(Given.Minute), lines[1..^1].Select(line => line[..line.IndexOf(',', StringComparison.Ordinal)]));

        using var ndjson = await ada.RawAsync(HttpMethod.Get, $"sources/{source}/readings?from={Given.Minute(5)}", null, "", ("Accept", "application/x-ndjson"));
        var rows = (await ndjson.Content.ReadAsStringAsync(ReadingsService.Ct)).TrimEnd('\n').Split('\n');
        Assert.Equal("""{"at":"2026-10-01T00:05:00Z","values":{"heart_rate":62.5}}""", rows[0]);
        Assert.Equal(27_000 - 5, rows.Length);

        // What came out goes in again and changes nothing.
        Assert.Equal((0, 10_000, 0, 0), await ada.CountsAsync(source, string.Join('\n', rows.Take(10_000)), "application/x-ndjson"));
    }

    [Fact]
    public async Task Latest_finds_the_newest_value_of_each_metric_however_old()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        await ada.RecordAsync(cuff, Given.Rows(
            Given.Row("2014-05-01T08:00:00+02:00", ("pulse", 70)), Given.Row("2014-05-01T07:00:00Z", ("systolic", 130)),
            Given.Row(Given.Time(DateTime.UtcNow.Date.AddDays(-2)), ("systolic", 121)), Given.Row(Given.Time(DateTime.UtcNow.Date.AddDays(-1)), ("diastolic", 80))));
        var latest = (await ada.GetAsync($"sources/{cuff}/latest")).GetProperty("latest");
        Assert.Equal((121.0, 80.0), (latest.GetProperty("systolic").GetProperty("value").GetDouble(), latest.GetProperty("diastolic").GetProperty("value").GetDouble()));
        Assert.Equal("""{"at":"2014-05-01T08:00:00+02:00","value":70,"unit":"/min"}""", latest.GetProperty("pulse").GetRawText());
        Assert.Equal(["pulse"], (await ada.GetAsync($"sources/{cuff}/latest?metric=pulse")).GetProperty("latest").EnumerateObject().Select(one => one.Name));
    }

    // A composite, and two metrics of their own at every second and third minute.
    private static async Task<Guid> MixedAsync(Person person)
    {
        var source = await person.SourceAsync(
            """
            {"name": "Mixed", "kind": "test", "metrics": {
              "systolic": {"unit": "mmHg", "group": "bp"}, "diastolic": {"unit": "mmHg", "group": "bp"}, "heart_rate": "bpm", "steps": "1"}}
            """);
        await person.RecordAsync(source, Given.Rows(Enumerable.Range(0, 60).Select(i => Given.Row(Given.Minute(i), new[]
        {
            ("heart_rate", 60.0 + i), ("systolic", i % 2 == 0 ? 120.0 : double.NaN), ("diastolic", i % 4 == 0 ? 80.0 : double.NaN), ("steps", i % 3 == 0 ? i : double.NaN),
        }.Where(value => !double.IsNaN(value.Item2)).ToArray()))));
        return source;
    }
}
