namespace OpenReadings.ReadingsTests;

public sealed class RollupTests(ReadingsService service)
{
    /// <summary>Both rollups of a source say exactly what counting its readings says.</summary>
    internal static async Task AssertExactAsync(ReadingsService service, Guid sourceId)
    {
        foreach (var (table, width) in new[] { ("readings_hour", "1 hour"), ("readings_day", "1 day") })
            Assert.Empty(await service.TruthAsync<string>(
                $$"""
                with mine as (select series_id from series where source_id = @sourceId),
                counted as (
                    select r.series_id, v.slot, date_bin('{{width}}', r.at, '2000-01-01Z') as bucket,
                           count(*)::int as n, sum(v.value) as vsum, min(v.value) as vmin, max(v.value) as vmax
                    from readings r
                    cross join lateral (values (1::int2, r.value), (2::int2, r.value2), (3::int2, r.value3)) as v(slot, value)
                    where r.series_id in (select series_id from mine) and v.value is not null
                    group by 1, 2, 3)
                select '{{table}} has ' || t::text from {{table}} t where series_id in (select series_id from mine)
                    and not exists (select from counted c where c = t)
                union all
                select '{{table}} lacks ' || c::text from counted c
                where not exists (select from {{table}} t where t.series_id = c.series_id and t.slot = c.slot and t.bucket = c.bucket)
                """, new { sourceId }));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Rollups_are_exact_after_whatever_was_written(int seed)
    {
        var random = new Random(seed);
        var ada = service.NewPerson();
        var source = await ada.SourceAsync("""
            {"name": "Mixed", "kind": "test", "metrics": {"a": {"unit": "1", "group": "g"}, "b": {"unit": "1", "group": "g"},
             "c": {"unit": "1", "group": "g"}, "d": "1"}}
            """);
        var start = new DateTime(2026, 3, 28, 12, 0, 0, DateTimeKind.Utc);
        // Eighths add up without rounding, in whatever order.
        double Number() => random.Next(-800, 800) / 8.0;
        string At() => Given.Time(start.AddSeconds(random.Next(0, 4 * 86_400 / 300) * 300));

        for (var step = 0; step < 40; step++)
        {
            var act = random.Next(10);
            if (act < 6)
            {
                var rows = Enumerable.Range(0, random.Next(1, act == 0 ? 2 : 120))
                    .Select(_ => new[] { "a", "b", "c", "d" }.Where(_ => random.Next(2) == 0).Select(name => (name, Number())).ToArray())
                    .Where(values => values.Length > 0).Select(values => Given.Row(At(), values));
                await ada.RecordAsync(source, Given.Rows(rows));
            }
            else if (act < 8)
            {
                var path = $"sources/{source}/readings?metric={"abcd"[random.Next(4)]}" + (act == 6 ? "&metric=b" : "");
                var (from, to) = (At(), At());
                Assert.Equal(200, (int)(await ada.SendAsync(HttpMethod.Delete, $"{path}&from={from}&to={to}")).Status);
            }
            else
            {
                var row = (await ada.GetAsync($"sources/{source}/readings?from={At()}&limit=1")).GetProperty("readings").EnumerateArray().FirstOrDefault();
                if (row.ValueKind == System.Text.Json.JsonValueKind.Undefined) continue;
                var path = $"sources/{source}/readings/{Uri.EscapeDataString(row.GetProperty("at").GetString()!)}";
                var (status, answer) = act == 8
                    ? await ada.SendAsync(HttpMethod.Put, path, Given.Row("", ("a", Number()), ("d", Number())))
                    : await ada.SendAsync(HttpMethod.Delete, path);
                Assert.True((int)status is 200 or 204, answer.ToString());
            }
            if (step % 5 == 0) await AssertExactAsync(service, source);
        }
        await AssertExactAsync(service, source);
        Assert.NotEmpty((await ada.GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
    }

    [Fact]
    public async Task A_few_readings_spread_over_dense_years_are_found_one_by_one()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        for (var part = 0; part < 3; part++)
            await ada.RecordAsync(watch, Given.Columns(
                Given.Column("heart_rate", Enumerable.Range(part * 9000, 9000).Select(Given.Minute), Enumerable.Repeat(60.0, 9000))));
        // Same, other, new: far apart.
        Assert.Equal((2, 1, 1, 0), await ada.CountsAsync(watch, Given.Rows(
            Given.Row(Given.Minute(10), ("heart_rate", 60)), Given.Row(Given.Minute(20_000), ("heart_rate", 61)),
            Given.Row("2015-06-01T00:00:00Z", ("heart_rate", 62)), Given.Row(Given.Minute(27_000), ("heart_rate", 63)))));
        await AssertExactAsync(service, watch);
    }

    [Fact]
    public async Task A_correction_changes_one_reading_and_nothing_the_second_time()
    {
        var ada = service.NewPerson();
        var cuff = await ada.SourceAsync(Person.Cuff);
        await ada.RecordAsync(cuff, """{"readings": [{"at": "2026-11-20T07:30:00+02:00", "values": {"systolic": 1210, "diastolic": 79}}]}""");
        var path = $"sources/{cuff}/readings/2026-11-20T05:30:00Z";

        var (status, answer) = await ada.SendAsync(HttpMethod.Put, path, """{"values": {"systolic": 121}}""");
        Assert.Equal((200, (0, 0, 1, 0)), ((int)status, Person.Counts(answer)));
        Assert.Equal((0, 1, 0, 0), Person.Counts((await ada.SendAsync(HttpMethod.Put, path, """{"values": {"systolic": 121}}""")).Answer));
        Assert.Equal("""[{"at":"2026-11-20T07:30:00+02:00","values":{"systolic":121,"diastolic":79}}]""",
            (await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings").GetRawText());
        await AssertExactAsync(service, cuff);

        Assert.Equal("reading-not-found", await Refused(HttpMethod.Put, $"sources/{cuff}/readings/2026-11-20T05:31:00Z", """{"values": {"systolic": 121}}""", 404));
        Assert.Equal("unknown-metric", await Refused(HttpMethod.Put, path, """{"values": {"weight": 121}}""", 400));
        Assert.Equal("missing-values", await Refused(HttpMethod.Put, path, """{"values": {}}""", 400));
        Assert.Equal("invalid-time", await Refused(HttpMethod.Put, $"sources/{cuff}/readings/noon", """{"values": {"systolic": 121}}""", 400));

        // A part of a reading goes, and what is left of it stays.
        Assert.Equal(204, (int)(await ada.SendAsync(HttpMethod.Delete, path + "?metric=systolic")).Status);
        Assert.Equal("""{"diastolic":79}""", (await ada.GetAsync($"sources/{cuff}/readings")).GetProperty("readings")[0].GetProperty("values").GetRawText());
        await AssertExactAsync(service, cuff);
        Assert.Equal(204, (int)(await ada.SendAsync(HttpMethod.Delete, path)).Status);
        Assert.Equal("reading-not-found", await Refused(HttpMethod.Delete, path, null, 404));
        await AssertExactAsync(service, cuff);

        async Task<string?> Refused(HttpMethod method, string where, string? body, int expected)
        {
            var (code, problem) = await ada.SendAsync(method, where, body);
            Assert.Equal(expected, (int)code);
            return problem.GetProperty("type").GetString();
        }
    }

    [Fact]
    public async Task Deleting_a_range_says_how_many_and_leaves_the_rest()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(0, 180).Select(i => Given.Row(Given.Minute(i), ("heart_rate", 60), ("steps", i)))));
        async Task<long> Delete(string query) =>
            (await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}/readings{query}")).Answer.GetProperty("deleted").GetInt64();

        Assert.Equal(60, await Delete($"?metric=steps&from={Given.Minute(30)}&to={Given.Minute(90)}"));
        Assert.Equal(0, await Delete($"?metric=steps&from={Given.Minute(30)}&to={Given.Minute(90)}"));
        await AssertExactAsync(service, watch);
        Assert.Equal(180 + 120, await Delete(""));
        await AssertExactAsync(service, watch);
        Assert.Empty((await ada.GetAsync($"sources/{watch}/latest")).GetProperty("latest").EnumerateObject());
    }
}
