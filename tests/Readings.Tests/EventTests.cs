using System.Net;

namespace OpenReadings.ReadingsTests;

public sealed class EventTests(ReadingsService service)
{
    private static string Run(int day, int energy, string? id = null) =>
        $"{{{(id is null ? "" : $"\"id\": \"{id}\", ")}\"kind\": \"workout\", \"type\": \"running\", \"from\": \"2026-10-{day:00}T07:00:00+02:00\", \"to\": \"2026-10-{day:00}T07:41:30+02:00\", "
        + $"\"values\": {{\"energy\": {{\"value\": {energy}, \"unit\": \"kcal\"}}}}, \"details\": {{\"indoor\": false}}}}";

    private static string Events(params string[] events) => $"{{\"events\": [{string.Join(',', events)}]}}";

    [Fact]
    public async Task The_same_event_is_stored_once_whatever_id_it_carries()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        async Task<(int, int, int, int)> Record(string body) => Person.Counts((await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/events", body)).Answer);
        var id = Guid.CreateVersion7();

        Assert.Equal((2, 0, 0, 0), await Record(Events(Run(1, 320, id.ToString()), Run(2, 300))));
        Assert.Equal((0, 2, 0, 0), await Record(Events(Run(1, 320, Guid.NewGuid().ToString()), Run(2, 300))));
        Assert.Equal((1, 1, 1, 0), await Record(Events(Run(1, 320), Run(2, 310), Run(3, 100, id.ToString()))));

        var events = (await ada.GetAsync($"sources/{watch}/events")).GetProperty("events").EnumerateArray().ToList();
        Assert.Equal(3, events.Count);
        Assert.Equal((id, "2026-10-01T07:00:00+02:00", "2026-10-01T07:41:30+02:00"), (events[0].GetProperty("id").GetGuid(), events[0].GetProperty("from").GetString(), events[0].GetProperty("to").GetString()));
        Assert.Equal((310, "kcal"), (events[1].GetProperty("values").GetProperty("energy").GetProperty("value").GetInt32(), events[1].GetProperty("values").GetProperty("energy").GetProperty("unit").GetString()));
        Assert.NotEqual(id, events[2].GetProperty("id").GetGuid());
    }

    [Theory]
    [InlineData("""{"type": "running", "from": "2026-10-01T07:00:00Z", "to": "2026-10-01T08:00:00Z"}""", "/kind", "invalid-value")]
    [InlineData("""{"kind": "workout", "type": "running", "from": "2026-10-01T07:00:00", "to": "2026-10-01T08:00:00Z"}""", "/from", "missing-offset")]
    [InlineData("""{"kind": "workout", "type": "running", "from": "2026-10-01T09:00:00Z", "to": "2026-10-01T08:00:00Z"}""", "/to", "end-before-beginning")]
    [InlineData("""{"kind": "workout", "type": "running", "from": "2026-10-01T07:00:00Z", "to": "2036-10-01T08:00:00Z"}""", "/to", "impossible-date")]
    [InlineData("""{"kind": "workout", "type": "running", "from": "2026-10-01T07:00:00Z", "to": "2026-10-01T08:00:00Z", "values": {"energy": {"value": 1, "unit": "vim"}}}""", "/values/energy/unit", "unknown-unit")]
    public async Task A_bad_event_is_named_and_the_good_ones_are_stored(string bad, string pointer, string type)
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var (_, answer) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/events", Events(Run(1, 1), bad));
        Assert.Equal((1, 0, 0, 1), Person.Counts(answer));
        Assert.Equal(("/events/1" + pointer, type), (answer.GetProperty("rejected")[0].GetProperty("pointer").GetString(), answer.GetProperty("rejected")[0].GetProperty("type").GetString()));
    }

    [Fact]
    public async Task Events_are_paged_filtered_and_deleted()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var phone = await ada.SourceAsync(Person.Watch);
        foreach (var source in new[] { watch, phone })
            await ada.SendAsync(HttpMethod.Post, $"sources/{source}/events", Events([.. Enumerable.Range(1, 9).Select(day => Run(day, day)),
                """{"kind": "sleep", "type": "deep", "from": "2026-10-03T01:00:00Z", "to": "2026-10-03T02:00:00Z"}"""]));
        var all = (await ada.GetAsync("events")).GetProperty("events").EnumerateArray().Select(one => one.GetRawText()).ToList();
        Assert.Equal(20, all.Count);
        foreach (var limit in new[] { 1, 3 })
        {
            var paged = new List<string>();
            for (string? after = ""; after is not null;)
            {
                var page = await ada.GetAsync($"events?limit={limit}{after}");
                paged.AddRange(page.GetProperty("events").EnumerateArray().Select(one => one.GetRawText()));
                after = page.TryGetProperty("next", out var next) ? $"&after={next.GetString()}" : null;
            }
            Assert.Equal(all, paged);
        }
        Assert.Equal(2, (await ada.GetAsync("events?kind=sleep")).GetProperty("events").GetArrayLength());
        Assert.Equal(3, (await ada.GetAsync($"sources/{watch}/events?kind=workout&from=2026-10-02T00:00:00Z&to=2026-10-05T00:00:00Z")).GetProperty("events").GetArrayLength());
        Assert.Equal(9, (await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}/events?kind=workout")).Answer.GetProperty("deleted").GetInt32());
        Assert.Equal(1, (await ada.SendAsync(HttpMethod.Delete, $"sources/{watch}/events")).Answer.GetProperty("deleted").GetInt32());
        Assert.Equal(10, (await ada.GetAsync("events")).GetProperty("events").GetArrayLength());
        Assert.Equal(HttpStatusCode.NotFound, (await ada.SendAsync(HttpMethod.Get, $"sources/{Guid.NewGuid()}/events")).Status);
    }

    [Fact]
    public async Task More_than_a_thousand_events_are_refused()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        var (status, _) = await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/events", Events([.. Enumerable.Repeat(Run(1, 1), 1001)]));
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal((1, 999, 0, 0), Person.Counts((await ada.SendAsync(HttpMethod.Post, $"sources/{watch}/events", Events([.. Enumerable.Repeat(Run(1, 1), 1000)]))).Answer));
    }
}
