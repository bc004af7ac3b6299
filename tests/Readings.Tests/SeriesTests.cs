using System.Net;
using System.Text.Json;

namespace OpenReadings.ReadingsTests;

public sealed class SeriesTests(ReadingsService service)
{
    [Fact]
    public async Task Series_of_one_type_are_read_together_in_the_types_unit()
    {
        var ada = service.NewPerson();
        var home = await ada.SourceAsync("""{"name": "Home", "kind": "meter", "metrics": {"sugar": {"unit": "mmol/L", "type": "blood_glucose"}}}""");
        var clinic = await ada.SourceAsync("""{"name": "Clinic", "kind": "lab", "metrics": {"glucose": {"unit": "mg/dL", "type": "blood_glucose"}, "note": "1"}}""");
        await ada.RecordAsync(home, Given.Rows(Given.Row(Given.Minute(1), ("sugar", 5)), Given.Row(Given.Minute(3), ("sugar", 6))));
        await ada.RecordAsync(clinic, Given.Rows(Given.Row(Given.Minute(1), ("glucose", 92), ("note", 1)), Given.Row(Given.Minute(2), ("glucose", 94))));

        var list = await ada.GetAsync("series?type=blood_glucose");
        Assert.Equal(["sugar", "glucose"], list.GetProperty("series").EnumerateArray().Select(one => one.GetProperty("metric").GetString()));
        Assert.Equal((home, 6 * 18.0156), (list.GetProperty("latest").GetProperty("source_id").GetGuid(), list.GetProperty("latest").GetProperty("value").GetDouble()));
        Assert.Equal(3, (await ada.GetAsync("series")).GetProperty("series").GetArrayLength());

        var readings = (await ada.GetAsync("series/readings?type=blood_glucose")).GetProperty("readings").EnumerateArray().ToList();
        Assert.Equal([(Given.Minute(1), home), (Given.Minute(1), clinic), (Given.Minute(2), clinic), (Given.Minute(3), home)],
            readings.Select(one => (one.GetProperty("at").GetString()!, one.GetProperty("source_id").GetGuid())));
        Assert.Equal(90.078, readings[0].GetProperty("value").GetDouble());

        var bucket = Assert.Single((await ada.GetAsync("series/buckets?type=blood_glucose&bucket=1h")).GetProperty("buckets").EnumerateArray());
        Assert.Equal((4, 90.078, 6 * 18.0156), (bucket.GetProperty("count").GetInt32(), bucket.GetProperty("min").GetDouble(), bucket.GetProperty("max").GetDouble()));
        Assert.Equal((90.078 + 92 + 94 + 108.0936) / 4, bucket.GetProperty("avg").GetDouble(), 9);
        Assert.Equal((90.078, 6 * 18.0156), (bucket.GetProperty("first").GetDouble(), bucket.GetProperty("last").GetDouble()));
    }

    [Fact]
    public async Task Steps_of_two_devices_are_not_added_up_unless_asked()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var phone = await ada.SourceAsync("""{"name": "Phone", "kind": "phone", "metrics": {"steps": {"unit": "steps", "type": "steps"}}}""");
        await ada.RecordAsync(watch, Given.Rows(Given.Row("2026-10-01T10:00:00Z", ("steps", 500)), Given.Row("2026-10-02T10:00:00Z", ("steps", 10))));
        await ada.RecordAsync(phone, Given.Rows(Given.Row("2026-10-01T10:00:00Z", ("steps", 300)), Given.Row("2026-10-02T10:00:00Z", ("steps", 20))));
        async Task<IReadOnlyList<double>> Sums(string query) =>
            (await ada.GetAsync($"series/buckets?type=steps{query}")).GetProperty("buckets").EnumerateArray().Select(bucket => bucket.GetProperty("sum").GetDouble()).ToList();

        Assert.Equal([500, 20], await Sums(""));
        Assert.Equal([800, 30], await Sums("&overlap=all"));
        Assert.Equal("unknown-overlap", (await ada.SendAsync(HttpMethod.Get, "series/buckets?type=steps&overlap=some")).Answer.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Pages_over_sources_show_every_reading_once_also_where_times_are_equal()
    {
        var ada = service.NewPerson();
        for (var source = 0; source < 3; source++)
            await ada.RecordAsync(await ada.SourceAsync(Person.Watch), Given.Rows(Enumerable.Range(0, 20).Select(i => Given.Row(Given.Minute(i / 2 * 2 + (source == 2 ? i % 2 : 0)), ("heart_rate", i)))));
        var all = (await ada.GetAsync("series/readings?type=heart_rate")).GetProperty("readings").EnumerateArray().Select(one => one.GetRawText()).ToList();
        Assert.Equal(10 + 10 + 20, all.Count);
        foreach (var limit in new[] { 1, 2, 7 })
        {
            var paged = new List<string>();
            for (string? after = ""; after is not null;)
            {
                var page = await ada.GetAsync($"series/readings?type=heart_rate&limit={limit}{after}");
                paged.AddRange(page.GetProperty("readings").EnumerateArray().Select(one => one.GetRawText()));
                after = page.TryGetProperty("next", out var next) ? $"&after={next.GetString()}" : null;
            }
            Assert.Equal(all, paged);
        }
    }

    [Theory]
    [InlineData("series/readings", "type-required")]
    [InlineData("series/latest?type=mood", "unknown-type")]
    [InlineData("series/buckets?type=mood", "unknown-type")]
    public async Task A_question_without_a_known_type_is_refused(string path, string type)
    {
        var (status, problem) = await service.NewPerson().SendAsync(HttpMethod.Get, path);
        Assert.Equal((HttpStatusCode.BadRequest, type), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task Nobody_yet_has_nothing()
    {
        var ada = service.NewPerson();
        Assert.Equal("""{"series":[]}""", (await ada.GetAsync("series?type=steps")).GetRawText());
        Assert.Equal(JsonValueKind.Null, (await ada.GetAsync("series/latest?type=steps")).GetProperty("latest").ValueKind);
        Assert.Empty((await ada.GetAsync("series/buckets?type=steps")).GetProperty("buckets").EnumerateArray());
        Assert.Empty((await ada.GetAsync("series/readings?type=steps")).GetProperty("readings").EnumerateArray());
    }
}
