using System.Net;
using System.Text.Json;
using OpenReadings.Events;

namespace OpenReadings.ReadingsTests;

public sealed class AnnouncementTests(ReadingsService service)
{
    private sealed record Sent(string EventType, string Subject, string Data, string? Traceparent)
    {
        public JsonElement Json => JsonDocument.Parse(Data).RootElement;
    }

    [Fact]
    public async Task A_batch_is_one_event_for_each_series_and_a_repetition_is_none()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(
            """
            {"name": "n", "kind": "k", "metrics": {"steps": {"unit": "1", "type": "steps"}, "systolic": {"unit": "mmHg", "type": "blood_pressure_systolic"},
             "diastolic": {"unit": "mmHg", "type": "blood_pressure_diastolic"}}}
            """);
        var rows = Enumerable.Range(0, 100).Select(i => Given.Row(Given.Minute(i), ("steps", i), ("systolic", 120), ("diastolic", 80))).ToArray();
        await ada.RecordAsync(source, Given.Rows(rows));
        await ada.RecordAsync(source, Given.Rows(rows));

        var sent = await OutboxAsync(source, "readings.recorded.v1");
        Assert.Equal([$"{source}/steps", $"{source}/systolic"], sent.Select(one => one.Subject));
        Assert.All(sent, one => Assert.StartsWith("00-", one.Traceparent, StringComparison.Ordinal));
        var told = sent[1].Json.Deserialize<ReadingsRecorded>(Chassis.Json.Options)!;
        Assert.Equal((ada.Id, source, "systolic", "blood_pressure_systolic", 100), (told.UserId, told.SourceId, told.Metric, told.SeriesType, told.Count));
        Assert.Equal(["systolic", "diastolic"], told.Metrics);
        Assert.Equal((Given.Minute(0), Given.Minute(99)), (Given.Time(told.From.UtcDateTime), Given.Time(told.To.UtcDateTime)));
    }

    [Fact]
    public async Task An_event_tells_of_what_was_new_or_replaced_and_of_nothing_else()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(0, 10).Select(i => Given.Row(Given.Minute(i), ("heart_rate", 60)))));
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(0, 12).Select(i => Given.Row(Given.Minute(i), ("heart_rate", i == 7 ? 61 : 60)))));
        await ada.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(3), ("heart_rate", 62))));
        var told = (await OutboxAsync(watch, "readings.recorded.v1")).Select(one => one.Json.Deserialize<ReadingsRecorded>(Chassis.Json.Options)!).ToList();
        Assert.Equal([(10, 0, 9), (3, 7, 11), (1, 3, 3)], told.Select(one =>
            (one.Count, (int)(one.From - told[0].From).TotalMinutes, (int)(one.To - told[0].From).TotalMinutes)));
    }

    [Fact]
    public async Task Deleting_tells_of_each_metric_that_lost_readings()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(0, 10).Select(i => Given.Row(Given.Minute(i), ("heart_rate", 60)))));
        await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}/readings?from={Given.Minute(4)}");
        var told = Assert.Single(await OutboxAsync(watch, "readings.deleted.v1")).Json.Deserialize<ReadingsDeleted>(Chassis.Json.Options)!;
        Assert.Equal(("heart_rate", 6, null), (told.Metric, told.Count, told.To));
        Assert.Equal(Given.Minute(4), Given.Time(told.From!.Value.UtcDateTime));
    }

    [Fact]
    public async Task A_series_type_is_learned_once_and_never_from_an_older_version()
    {
        var code = $"type_{Guid.NewGuid():N}";
        SeriesTypeDefined Version(int version, string unit) => new(code, "test", unit, "average", 0, 1, null, version);
        async Task<string> Unit() => (await service.TruthAsync<string>("select unit from series_types where code = @code", new { code })).Single();

        var id = await service.DeliverAsync("catalog.events", Version(3, "kg"));
        // What is known already comes every hour, and leaves no trace.
        foreach (var known in new[] { Version(2, "g"), Version(3, "kg") })
        {
            var again = await service.DeliverAsync("catalog.events", known);
            Assert.Empty(await service.TruthAsync<Guid>("select message_id from inbox where message_id = @again", new { again }));
        }
        Assert.Equal("kg", await Unit());
        await service.DeliverAsync("catalog.events", Version(9, "mg"), id);        // the same message: seen already
        Assert.Equal("kg", await Unit());
        await service.DeliverAsync("catalog.events", Version(4, "mg"));
        Assert.Equal("mg", await Unit());
    }

    [Fact]
    public async Task A_deleted_account_is_forgotten_and_a_late_token_brings_nothing_back()
    {
        var (ada, bob) = (service.NewPerson(), service.NewPerson());
        var (hers, his) = (await ada.SourceAsync(Person.Cuff), await bob.SourceAsync(Person.Cuff));
        foreach (var (person, source) in new[] { (ada, hers), (bob, his) })
        {
            await person.RecordAsync(source, Given.Rows(Enumerable.Range(0, 50).Select(i => Given.Row(Given.Minute(i), ("systolic", 120)))));
            await person.SendAsync(HttpMethod.Post, $"sources/{source}/events", """{"events": [{"kind": "sleep", "type": "deep", "from": "2026-11-20T01:00:00Z", "to": "2026-11-20T02:00:00Z"}]}""");
        }
        var series = await service.TruthAsync<int>("select series_id from series where user_id = @Id", new { ada.Id });

        var id = await service.DeliverAsync("identity.events", new AccountDeleted(ada.Id, DateTimeOffset.UtcNow));
        await service.DeliverAsync("identity.events", new AccountDeleted(ada.Id, DateTimeOffset.UtcNow), id);
        await service.DeliverAsync("identity.events", new AccountDeleted(ada.Id, DateTimeOffset.UtcNow));

        foreach (var table in new[] { "readings", "readings_hour", "readings_day", "series", "series_access", "metrics" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where series_id = any (@series)", new { series = series.ToArray() }));
        foreach (var table in new[] { "sources", "series", "series_access", "metrics", "events" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where user_id = @Id", new { ada.Id }));
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Put, $"sources/{hers}", Person.Cuff)).Status);
        Assert.Equal("account-deleted", (await ada.SendAsync(HttpMethod.Post, "sources", Person.Cuff)).Answer.GetProperty("type").GetString());
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Post, $"sources/{hers}/readings", Given.Rows(Given.Row(Given.Minute(1), ("systolic", 1))))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Post, $"sources/{hers}/events", """{"events": []}""")).Status);
        Assert.Equal(50, (await bob.GetAsync($"sources/{his}/readings")).GetProperty("readings").GetArrayLength());
        Assert.Single((await bob.GetAsync("events")).GetProperty("events").EnumerateArray());
    }

    [Fact]
    public async Task What_is_written_while_an_account_is_erased_does_not_outlive_it()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var erasing = service.DeliverAsync("identity.events", new AccountDeleted(ada.Id, DateTimeOffset.UtcNow));
        var writers = Enumerable.Range(0, 6).Select(async writer =>
        {
            for (var i = 0; i < 30; i++)
            {
                var (path, method, body) = (i % 3) switch
                {
                    0 => ($"sources/{Guid.NewGuid()}", HttpMethod.Put, Person.Watch),
                    1 => ($"sources/{watch}/metrics/m{writer}", HttpMethod.Put, """{"unit": "1"}"""),
                    _ => ($"sources/{watch}/readings", HttpMethod.Post, Given.Rows(Given.Row(Given.Minute(writer * 100 + i), ("steps", 1)))),
                };
                var (status, answer) = await ada.SendAsync(method, path, body);
                Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Created or HttpStatusCode.NotFound, answer.ToString());
            }
        });
        await Task.WhenAll(writers.Append(erasing));
        foreach (var table in new[] { "sources", "series", "series_access", "metrics" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where user_id = @Id", new { ada.Id }));
        // No reading without a series: nobody could ever see or delete it.
        Assert.Empty(await service.TruthAsync<int>("select distinct r.series_id from readings r left join series s using (series_id) where s.series_id is null"));
    }

    [Fact]
    public async Task Readings_written_while_their_source_is_deleted_are_gone_or_refused()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var writers = Enumerable.Range(0, 6).Select(async writer =>
        {
            for (var i = 0; i < 30; i++)
            {
                var (status, answer) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/readings", Given.Rows(Given.Row(Given.Minute(writer * 100 + i), ("steps", 1), ("heart_rate", 60))));
                Assert.True(status is HttpStatusCode.OK or HttpStatusCode.NotFound, answer.ToString());
            }
        }).ToList();
        writers.Add(ada.SendAsync(HttpMethod.Delete, $"sources/{watch}"));
        await Task.WhenAll(writers);
        Assert.Empty(await service.TruthAsync<int>("select distinct r.series_id from readings r left join series s using (series_id) where s.series_id is null"));
        Assert.Empty(await service.TruthAsync<int>("select distinct r.series_id from readings_hour r left join series s using (series_id) where s.series_id is null"));
    }

    private async Task<IReadOnlyList<Sent>> OutboxAsync(Guid source, string type) => await service.TruthAsync<Sent>(
        "select event_type, subject, data::text, traceparent from outbox where data ->> 'source_id' = @source::text and event_type = @type order by id",
        new { source, type });
}
