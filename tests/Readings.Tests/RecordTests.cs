namespace OpenReadings.ReadingsTests;

public sealed class RecordTests(ReadingsService service)
{
    [Fact]
    public async Task A_composite_reading_is_one_row_in_and_out()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        var body = """{"readings": [{"at": "2026-11-20T07:30:00.25+02:00", "values": {"systolic": 121, "diastolic": 79.5, "pulse": 61}}]}""";

        var first = await ada.RecordAsync(cuff, body);
        Assert.True(Person.Counts(first) == (1, 0, 0, 0), first.ToString());
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
}
