using System.Net;

namespace OpenReadings.ReadingsTests;

public sealed class SourceTests(ReadingsService service)
{
    [Fact]
    public async Task A_source_comes_back_as_it_was_declared_with_units_in_ucum()
    {
        var ada = service.NewPerson();
        var id = Guid.CreateVersion7();
        var body =
            """
            {"name": "電力計", "kind": "meter", "time_zone": "Asia/Tokyo", "location": "地下室", "description": "d", "is_public": true,
             "metrics": {"reading": "kWh", "Überdruck 2": {"unit": "mmHg"}, "heart_rate": {"type": "heart_rate"}}}
            """;
        using var created = await ada.RawAsync(HttpMethod.Put, $"sources/{id}", body);
        Assert.Equal((HttpStatusCode.Created, $"/readings/v1/sources/{id}"), (created.StatusCode, created.Headers.Location!.ToString()));
        using var again = await ada.RawAsync(HttpMethod.Put, $"sources/{id}", body);
        Assert.Equal((HttpStatusCode.OK, created.Headers.ETag), (again.StatusCode, again.Headers.ETag));

        var source = await ada.GetAsync($"sources/{id}");
        Assert.Equal("""{"reading":{"unit":"kW.h"},"Überdruck 2":{"unit":"mm[Hg]"},"heart_rate":{"unit":"/min","type":"heart_rate"}}""",
            source.GetProperty("metrics").GetRawText());
        Assert.Equal(("電力計", "meter", "Asia/Tokyo", "地下室", true), (source.GetProperty("name").GetString(), source.GetProperty("kind").GetString(),
            source.GetProperty("time_zone").GetString(), source.GetProperty("location").GetString(), source.GetProperty("is_public").GetBoolean()));
        Assert.Equal(["source.created.v1"], await OutboxOf(id));
    }

    [Fact]
    public async Task Home_logs_meters_and_cuffs_are_sources()
    {
        var ada = service.NewPerson();
        var meter = await ada.SourceAsync("""{"name": "Meter", "kind": "meter", "metrics": {"reading": "kW.h"}}""");
        var cuff = await ada.SourceAsync("""{"name": "Cuff", "kind": "blood pressure", "metrics": {"systolic": "mmHg", "diastolic": "mmHg", "pulse": "bpm"}}""");
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(meter, Given.Rows(Given.Row(Given.Minute(1), ("reading", 12345.6)))));
        var row = Given.Rows(Given.Row(Given.Minute(1), ("systolic", 121), ("diastolic", 79), ("pulse", 61)));
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(cuff, row));
        Assert.Equal((0, 1, 0, 0), await ada.CountsAsync(cuff, row));
        Assert.Equal("""{"systolic":121,"diastolic":79,"pulse":61}""",
            Assert.Single((await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings").EnumerateArray()).GetProperty("values").GetRawText());
    }

    [Theory]
    [InlineData("""{"kind": "k", "metrics": {}}""", "validation-failed", "/name")]
    [InlineData("""{"name": "", "kind": "k", "metrics": {}}""", "validation-failed", "/name")]
    [InlineData("""{"name": "n", "metrics": {}}""", "validation-failed", "/kind")]
    [InlineData("""{"name": "n", "kind": "k"}""", "validation-failed", "/metrics")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a": {}}}""", "missing-unit", "/metrics/a/unit")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a": null}}""", "missing-unit", "/metrics/a")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a": {"unit": "furlongs per moon"}}}""", "unknown-unit", "/metrics/a/unit")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a": {"unit": "kg", "type": "heart_rate"}}}""", "unit-mismatch", "/metrics/a/unit")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a": {"unit": "kg", "type": "mood"}}}""", "unknown-type", "/metrics/a/type")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"=1+1": "kg"}}""", "invalid-name", "/metrics/=1+1")]
    [InlineData("""{"name": "n", "kind": "k", "metrics": {"a,b": "kg"}}""", "invalid-name", "/metrics/a,b")]
    [InlineData("""{"name": "n", "kind": "k", "time_zone": "Mars/Olympus", "metrics": {}}""", "unknown-time-zone", "/time_zone")]
    public async Task What_is_wrong_with_a_declaration_is_named(string body, string type, string pointer)
    {
        var (status, problem) = await service.NewPerson().SendAsync(HttpMethod.Put, $"sources/{Guid.NewGuid()}", body);
        Assert.Equal((HttpStatusCode.BadRequest, type, pointer),
            (status, problem.GetProperty("type").GetString(), problem.GetProperty("errors")[0].GetProperty("pointer").GetString()));
    }

    [Fact]
    public async Task A_unit_that_converts_is_taken_as_it_is()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync("""{"name": "n", "kind": "k", "metrics": {"glucose": {"unit": "mmol/L", "type": "blood_glucose"}, "fever": {"unit": "°F", "type": "body_temperature"}}}""");
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("glucose", 5.5), ("fever", 98.6))));
        var latest = (await ada.GetAsync($"sources/{source}/latest")).GetProperty("latest");
        Assert.Equal((5.5, "mmol/L", "[degF]"), (latest.GetProperty("glucose").GetProperty("value").GetDouble(),
            latest.GetProperty("glucose").GetProperty("unit").GetString(), latest.GetProperty("fever").GetProperty("unit").GetString()));
        Assert.Equal(37, (await ada.GetAsync("series/latest?type=body_temperature")).GetProperty("latest").GetProperty("value").GetDouble(), 9);
    }

    [Fact]
    public async Task A_source_is_listed_page_by_page_and_found_one_by_one()
    {
        var ada = service.NewPerson();
        var ids = new List<Guid>();
        for (var i = 0; i < 5; i++) ids.Add(await ada.SourceAsync(Person.Watch));
        var first = await ada.GetAsync("sources?limit=3");
        Assert.Equal(3, first.GetProperty("sources").GetArrayLength());
        var second = await ada.GetAsync($"sources?limit=3&after={first.GetProperty("next").GetString()}");
        Assert.Equal(ids.Order(), first.GetProperty("sources").EnumerateArray().Concat(second.GetProperty("sources").EnumerateArray()).Select(one => one.GetProperty("source_id").GetGuid()).Order());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, second.GetProperty("next").ValueKind);
        Assert.Equal("source-not-found", (await ada.SendAsync(HttpMethod.Get, $"sources/{Guid.NewGuid()}")).Answer.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Posting_makes_a_source_under_a_new_id()
    {
        var ada = service.NewPerson();
        using var made = await ada.RawAsync(HttpMethod.Post, "sources", Person.Watch);
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await ada.Http.GetAsync(made.Headers.Location, ReadingsService.Ct)).StatusCode);
    }

    [Fact]
    public async Task A_patch_needs_the_version_that_was_read()
    {
        var ada = service.NewPerson();
        var id = await ada.SourceAsync(Person.Watch);
        using var read = await ada.RawAsync(HttpMethod.Get, $"sources/{id}");
        var tag = read.Headers.ETag!.ToString();
        Assert.Equal((HttpStatusCode)428, (await ada.SendAsync(HttpMethod.Patch, $"sources/{id}", """{"name": "Mine"}""")).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await ada.SendAsync(HttpMethod.Patch, $"sources/{id}", """{"name": "Mine"}""", headers: ("If-Match", "\"1\""))).Status);
        using var patched = await ada.RawAsync(HttpMethod.Patch, $"sources/{id}",
            """{"name": "Mine", "location": "wrist", "metrics": {"steps": null, "floors": {"unit": "1"}}}""", "application/json", ("If-Match", tag));
        Assert.Equal(HttpStatusCode.OK, patched.StatusCode);
        Assert.NotEqual(tag, patched.Headers.ETag!.ToString());
        var source = await ada.GetAsync($"sources/{id}");
        Assert.Equal(("Mine", "wrist"), (source.GetProperty("name").GetString(), source.GetProperty("location").GetString()));
        Assert.Equal(["heart_rate", "floors"], source.GetProperty("metrics").EnumerateObject().Select(metric => metric.Name));
        // The old version is gone: somebody else's change is not overwritten.
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await ada.SendAsync(HttpMethod.Patch, $"sources/{id}", """{"name": "Yours"}""", headers: ("If-Match", tag))).Status);
        var (status, problem) = await ada.SendAsync(HttpMethod.Patch, $"sources/{id}", """{"name": null}""", headers: ("If-Match", "*"));
        Assert.Equal((HttpStatusCode.BadRequest, "/name"), (status, problem.GetProperty("errors")[0].GetProperty("pointer").GetString()));
        Assert.Equal(["source.created.v1", "source.updated.v1"], await OutboxOf(id));
    }

    [Fact]
    public async Task A_metric_with_readings_keeps_its_name_unit_and_group()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        await ada.RecordAsync(cuff, Given.Rows(Given.Row(Given.Minute(1), ("systolic", 121))));
        async Task<string?> Put(string metrics)
        {
            var (status, answer) = await ada.SendAsync(HttpMethod.Put, $"sources/{cuff}", $"{{\"name\": \"Cuff\", \"kind\": \"cuff\", \"metrics\": {metrics}}}");
            return status == HttpStatusCode.OK ? null : $"{(int)status} {answer.GetProperty("type")} {answer.GetProperty("errors")[0].GetProperty("pointer")}";
        }

        Assert.Equal("409 metric-has-readings /metrics/systolic", await Put("""{"pulse": "bpm"}"""));
        Assert.Equal("409 metric-has-readings /metrics/systolic", await Put("""{"systolic": "kPa"}"""));
        Assert.Equal("409 metric-has-readings /metrics/systolic", await Put("""{"systolic": {"unit": "mmHg", "group": "other"}}"""));
        // Its neighbours in the row have none and may go; their places are free again.
        Assert.Null(await Put("""{"systolic": "mmHg", "mean": {"unit": "mmHg", "group": "blood_pressure"}}"""));
        await ada.RecordAsync(cuff, Given.Rows(Given.Row(Given.Minute(1), ("mean", 93))));
        Assert.Equal("""{"systolic":121,"mean":93}""", (await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings")[0].GetProperty("values").GetRawText());
        await ada.SendAsync(HttpMethod.Delete, $"sources/{cuff}/readings?metric=systolic");
        Assert.Null(await Put("""{"mean": "mmHg"}"""));
        await RollupTests.AssertExactAsync(service, cuff);
    }

    [Fact]
    public async Task A_fourth_metric_of_a_group_is_still_one_row_to_everybody()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(
            """{"name": "n", "kind": "k", "metrics": {"a": {"unit": "1", "group": "g"}, "b": {"unit": "1", "group": "g"}, "c": {"unit": "1", "group": "g"}, "d": {"unit": "1", "group": "g"}}}""");
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("d", 4), ("a", 1), ("b", 2), ("c", 3)))));
        Assert.Equal("""{"a":1,"b":2,"c":3,"d":4}""", (await ada.GetAsync($"sources/{source}/readings")).GetProperty("readings")[0].GetProperty("values").GetRawText());
    }

    [Fact]
    public async Task One_metric_is_added_without_touching_the_others()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(1), ("steps", 12))));
        Assert.Equal("unknown-metric", (await ada.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(2), ("floors", 1))))).GetProperty("rejected")[0].GetProperty("type").GetString());
        Assert.Equal(HttpStatusCode.Created, (await ada.SendAsync(HttpMethod.Put, $"sources/{watch}/metrics/floors", """{"unit": "1"}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Put, $"sources/{watch}/metrics/floors", """{"unit": "1"}""")).Status);
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(watch, Given.Rows(Given.Row(Given.Minute(2), ("floors", 1)))));
        Assert.Equal(HttpStatusCode.Conflict, (await ada.SendAsync(HttpMethod.Put, $"sources/{watch}/metrics/floors", """{"unit": "m"}""")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Put, $"sources/{Guid.NewGuid()}/metrics/floors", """{"unit": "1"}""")).Status);
        Assert.Equal("unknown-unit", (await ada.SendAsync(HttpMethod.Put, $"sources/{watch}/metrics/x", """{"unit": "hogshead of what"}""")).Answer.GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_deleted_source_takes_everything_with_it()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(0, 200).Select(i => Given.Row(Given.Minute(i), ("steps", i), ("heart_rate", 60)))));
        await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/events", """{"events": [{"kind": "sleep", "type": "deep", "from": "2026-11-20T01:00:00Z", "to": "2026-11-20T02:00:00Z"}]}""");
        var series = await service.TruthAsync<int>("select series_id from series where source_id = @watch", new { watch });

        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", Given.Rows(Given.Row(Given.Minute(1), ("steps", 1))))).Status);
        foreach (var table in new[] { "readings", "readings_hour", "readings_day", "series", "series_access", "metrics" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where series_id = any (@series)", new { series = series.ToArray() }));
        foreach (var table in new[] { "sources", "events" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where source_id = @watch", new { watch }));
        Assert.Contains("source.deleted.v1", await OutboxOf(watch));

        // The same id again is another source, and nobody takes it for the old one.
        await ada.SendAsync(HttpMethod.Put, $"sources/{watch}", Person.Watch);
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(watch, Given.Rows(Given.Row(Given.Minute(1), ("steps", 1)))));
    }

    [Fact]
    public async Task The_same_source_declared_sixteen_times_at_once_is_one_source()
    {
        var ada = service.NewPerson();
        var id = Guid.CreateVersion7();
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => ada.SendAsync(HttpMethod.Put, $"sources/{id}", Person.Cuff)));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.Equal(15, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Single(await service.TruthAsync<int>("select 1 from series where source_id = @id", new { id }));
        Assert.Equal(["source.created.v1"], await OutboxOf(id));
    }

    private Task<IReadOnlyList<string>> OutboxOf(Guid source) => service.TruthAsync<string>(
        "select event_type from outbox where data ->> 'source_id' = @source::text order by id", new { source });
}
