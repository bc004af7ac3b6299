using System.Net;
using System.Text.Json;

namespace OpenReadings.ReadingsTests;

/// <summary>A window that is open for writing: what lies in it is recorded, corrected and deleted, and nothing beside it.</summary>
public sealed class WindowWritingTests(ReadingsService service)
{
    public static TheoryData<string, string> Kinds => GrantMatrixTests.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task What_lies_in_the_window_is_written_and_nothing_beside_it(string opens, string to)
    {
        var (ada, _, source) = await WindowTests.SettingAsync(service);
        var sharing = await GrantTests.ShareAsync(service, ada, to, rest => GrantTests.Offer(opens, source, "write", WindowTests.Window + rest));
        var (bob, isWhole) = (sharing.Reader, opens is "everything" or "source");
        string readings = $"sources/{source}/readings?owner={ada.Id}", events = $"sources/{source}/events?owner={ada.Id}";

        // An item beside it is rejected and named; the good ones are stored, and once.
        var rows = Given.Rows(Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1)), Given.Row("2026-10-02T02:59:59Z", ("heart_rate", 2)), Given.Row("2026-10-03T05:00:00Z", ("heart_rate", 3)));
        foreach (var expected in new[] { (1, 0), (0, 1) })
        {
            var answer = await DoneAsync(bob, "POST", readings, rows);
            Assert.Equal(expected, (answer.GetProperty("stored").GetInt32(), answer.GetProperty("unchanged").GetInt32()));
            Assert.Equal([("/readings/1/at", "outside-window"), ("/readings/2/at", "outside-window")], Rejected(answer));
            Assert.Contains("from 2026-10-02T03:00:00Z until 2026-10-03T05:00:00Z", answer.GetProperty("rejected")[0].GetProperty("detail").GetString());
        }
        var column = await DoneAsync(bob, "POST", readings, """{"columns": [{"metric": "heart_rate", "at": ["2026-10-03T04:30:00Z", "2026-10-04T04:30:00Z"], "values": [4, 5]}]}""");
        Assert.Equal((1, "/columns/0/at/1"), (column.GetProperty("stored").GetInt32(), Rejected(column).Single().Pointer));
        Assert.Equal(1, (await DoneAsync(bob, "PUT", $"sources/{source}/readings/2026-10-02T04:00:00Z?owner={ada.Id}", """{"values": {"heart_rate": 99}}""")).GetProperty("replaced").GetInt32());
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(bob, "PUT", $"sources/{source}/readings/2026-10-02T02:00:00Z?owner={ada.Id}", """{"values": {"heart_rate": 99}}"""));

        // What reaches out of it would be deleted in part, and that in silence.
        foreach (var range in new[] { "", "&from=2026-10-02T03:00:00Z", "&to=2026-10-03T05:00:00Z", "&from=2026-10-02T02:59:59Z&to=2026-10-03T05:00:00Z" })
            Assert.Equal((range, "outside-window"), (range, await RefusedAsync(bob, "DELETE", $"{readings}&metric=heart_rate{range}")));
        Assert.Equal("outside-window", await RefusedAsync(bob, "DELETE", $"sources/{source}/readings/2026-10-02T02:00:00Z?metric=heart_rate&owner={ada.Id}"));
        Assert.Equal(2, (await DoneAsync(bob, "DELETE", $"{readings}&metric=heart_rate&from=2026-10-03T04:00:00Z&to=2026-10-03T05:00:00Z")).GetProperty("deleted").GetInt32());

        if (isWhole)
        {
            var mixed = await DoneAsync(bob, "POST", events, Events(("2026-10-03T04:00:00Z", "2026-10-03T05:00:00Z"), ("2026-10-03T04:00:00Z", "2026-10-03T05:00:01Z"), ("2026-10-03T05:00:00Z", "2026-10-03T05:00:00Z")));
            Assert.Equal((1, "/events/1/from /events/2/from"), (mixed.GetProperty("stored").GetInt32(), string.Join(' ', Rejected(mixed).Select(item => item.Pointer))));
            Assert.Equal("outside-window", await RefusedAsync(bob, "DELETE", events));
            Assert.Equal(2, (await DoneAsync(bob, "DELETE", $"{events}&from=2026-10-02T03:00:00Z&to=2026-10-03T05:00:00Z")).GetProperty("deleted").GetInt32());
            Assert.Equal(["before", "across"], (await ada.GetAsync($"sources/{source}/events")).GetProperty("events").EnumerateArray().Select(one => one.GetProperty("type").GetString()));
        }
        else Assert.Equal("access-too-low", await RefusedAsync(bob, "POST", events, Events(("2026-10-03T04:00:00Z", "2026-10-03T05:00:00Z"))));

        // Written down under their name, and counted at once: 96 hours, two more, and two less.
        var noted = (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry => (entry.GetProperty("verb").GetString(), entry.GetProperty("actor").GetGuid())).ToList();
        foreach (var verb in new[] { "read", "write", "delete" }) Assert.Contains((verb, bob.Id), noted);
        var days = (await ada.GetAsync($"sources/{source}/buckets?metric=heart_rate&bucket=1d")).GetProperty("buckets").EnumerateArray().ToList();
        Assert.Equal([24, 25, 23, 24], days.Select(day => day.GetProperty("count").GetInt32()));
        Assert.Equal(99, days[1].GetProperty("max").GetDouble());

        foreach (var stranger in sharing.Strangers) Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(stranger, "POST", readings, rows));
        // Without asking anything first: what the service remembers of the source is not what decides.
        await ada.SendAsync(HttpMethod.Delete, $"grants/{sharing.Grant}");
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(bob, "POST", events, Events(("2026-10-03T04:00:00Z", "2026-10-03T05:00:00Z"))));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(bob, "POST", readings, rows));
    }

    [Fact]
    public async Task Whoever_reads_all_of_a_source_writes_in_the_window_and_where_windows_touch()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        await ShareAsync(ada, bob, "source", source, "read");
        await ShareAsync(ada, bob, "source", source, "write", """, "from": "2026-10-02T03:00:00Z", "until": "2026-10-02T04:00:00Z" """);
        await ShareAsync(ada, bob, "metric", source, "write", """, "from": "2026-10-02T04:00:00Z", "until": "2026-10-02T06:00:00Z" """);
        Assert.Equal(96, (await bob.GetAsync($"sources/{source}/readings?limit=1000")).GetProperty("readings").GetArrayLength());
        Assert.Equal(3, (await bob.GetAsync($"sources/{source}/events")).GetProperty("events").GetArrayLength());
        Assert.Equal((2, 0, 0, 2), await bob.CountsAsync(source, Given.Rows(
            Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1)), Given.Row("2026-10-02T05:30:00Z", ("heart_rate", 2)),
            Given.Row("2026-10-02T05:30:00Z", ("steps", 3)), Given.Row("2026-10-02T06:30:00Z", ("heart_rate", 4)))));
        Assert.Equal(5, (await DoneAsync(bob, "DELETE", $"sources/{source}/readings?metric=heart_rate&from=2026-10-02T03:00:00Z&to=2026-10-02T06:00:00Z")).GetProperty("deleted").GetInt32());
        // An event lies in one window, and only that of the source is for events.
        var answer = await DoneAsync(bob, "POST", $"sources/{source}/events", Events(("2026-10-02T03:10:00Z", "2026-10-02T03:20:00Z"), ("2026-10-02T03:50:00Z", "2026-10-02T04:10:00Z"), ("2026-10-02T05:00:00Z", "2026-10-02T05:10:00Z")));
        Assert.Equal((1, 2), (answer.GetProperty("stored").GetInt32(), answer.GetProperty("rejected").GetArrayLength()));
        // One that begins in the window and ends behind it is seen, and not theirs to delete: nor is the other one then.
        await DoneAsync(ada, "POST", $"sources/{source}/events", Events(("2026-10-02T03:30:00Z", "2026-10-02T06:00:00Z")));
        Assert.Equal("outside-window", await RefusedAsync(bob, "DELETE", $"sources/{source}/events?from=2026-10-02T03:00:00Z&to=2026-10-02T04:00:00Z"));
        Assert.Equal(5, (await bob.GetAsync($"sources/{source}/events")).GetProperty("events").GetArrayLength());
        Assert.Equal(1, (await DoneAsync(bob, "DELETE", $"sources/{source}/events?from=2026-10-02T03:00:00Z&to=2026-10-02T03:30:00Z")).GetProperty("deleted").GetInt32());
    }

    [Fact]
    public async Task What_somebody_has_for_good_they_have_through_the_application_of_a_window_too()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        var program = service.NewApplication();
        var through = bob.Through(program);
        await ShareAsync(ada, bob, "source", source, "read");
        await ShareAsync(ada, bob, "source", source, "write", WindowTests.Window + $$""", "client_id": "{{program.Id}}" """);
        Assert.Equal((96, 3), (await CountAsync(through, "readings"), await CountAsync(through, "events")));
        Assert.Equal((1, 0, 0, 0), await through.CountsAsync(source, Given.Rows(Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1)))));
        Assert.Equal("access-too-low", await RefusedAsync(bob, "POST", $"sources/{source}/readings", Given.Rows(Given.Row("2026-10-02T03:40:00Z", ("heart_rate", 1)))));

        var (carol, other) = (service.NewPerson(), service.NewApplication());
        await GrantTests.AcceptAsync(carol, (await GrantTests.OfferAsync(ada, $$"""{"opens": "metric", "source_id": "{{source}}", "metric": "steps", "access": "write"}""")).Code);
        await ShareAsync(ada, carol, "metric", source, "read", WindowTests.Window + $$""", "client_id": "{{other.Id}}" """);
        var both = carol.Through(other);
        Assert.Equal((1, 0, 0, 0), await both.CountsAsync(source, Given.Rows(Given.Row("2026-10-01T03:30:00Z", ("steps", 4)))));
        Assert.Equal(2, (await both.GetAsync($"sources/{source}?owner={ada.Id}")).GetProperty("metrics").EnumerateObject().Count());
        Assert.Equal((97, 27), (await CountAsync(both, "readings", "steps"), await CountAsync(both, "readings", "heart_rate")));

        async Task<int> CountAsync(Person who, string what, string? metric = null) =>
            (await who.GetAsync($"sources/{source}/{what}?limit=1000{(metric is null ? "" : $"&metric={metric}")}")).GetProperty(what).GetArrayLength();
    }

    [Fact]
    public async Task A_source_of_events_alone_has_windows_too_and_one_that_comes_later()
    {
        var (ada, bob, _) = await WindowTests.SettingAsync(service);
        await ShareAsync(ada, bob, "everything", Guid.Empty, "write", WindowTests.Window);
        var diary = await ada.SourceAsync("""{"name": "Diary", "kind": "diary", "metrics": {}}""");
        var answer = await DoneAsync(bob, "POST", $"sources/{diary}/events", Events(("2026-10-02T04:00:00Z", "2026-10-02T05:00:00Z"), ("2026-10-01T04:00:00Z", "2026-10-01T05:00:00Z")));
        Assert.Equal((1, 1), (answer.GetProperty("stored").GetInt32(), answer.GetProperty("rejected").GetArrayLength()));
        Assert.Single((await bob.GetAsync($"sources/{diary}/events")).GetProperty("events").EnumerateArray());
        Assert.Contains("write", (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("verb").GetString()));
        await ada.SendAsync(HttpMethod.Delete, $"sources/{diary}");
        Assert.Empty(await service.TruthAsync<int>("select 1 from source_windows where source_id = @diary", new { diary }));
    }

    [Fact]
    public async Task However_many_windows_there_are_a_refusal_stays_short()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        for (var day = 1; day < 6; day++) await ShareAsync(ada, bob, "metric", source, "write", $$""", "from": "2026-10-0{{day}}T00:00:00Z", "until": "2026-10-0{{day}}T01:00:00Z" """);
        var answer = await DoneAsync(bob, "POST", $"sources/{source}/readings", Given.Rows(Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1))));
        Assert.Equal("This was shared with you for writing from 2026-10-01T00:00:00Z until 2026-10-01T01:00:00Z and from 2026-10-02T00:00:00Z until 2026-10-02T01:00:00Z "
            + "and from 2026-10-03T00:00:00Z until 2026-10-03T01:00:00Z and at other times only.", answer.GetProperty("rejected")[0].GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Whoever_looks_at_a_public_source_sees_all_of_it_and_writes_in_their_window()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        using (var response = await ada.RawAsync(HttpMethod.Patch, $"sources/{source}", """{"is_public": true}""", "application/json", [("If-Match", "*")])) Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(96, (await bob.GetAsync($"sources/{source}/readings?limit=1000&owner={ada.Id}")).GetProperty("readings").GetArrayLength());
        await ShareAsync(ada, bob, "metric", source, "write", WindowTests.Window);
        Assert.Equal(1, (await DoneAsync(bob, "POST", $"sources/{source}/readings?owner={ada.Id}", Given.Rows(Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1))))).GetProperty("stored").GetInt32());
        Assert.Equal(97, (await bob.GetAsync($"sources/{source}/readings?limit=1000&owner={ada.Id}")).GetProperty("readings").GetArrayLength());
        Assert.Equal(3, (await bob.GetAsync($"sources/{source}/events?owner={ada.Id}")).GetProperty("events").GetArrayLength());
    }

    [Fact]
    public async Task An_admin_of_a_window_grants_on_what_lies_in_it_and_no_more()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        var first = await ShareAsync(ada, bob, "source", source, "admin", WindowTests.Window);
        foreach (var (window, isWithin) in new[]
        {
            ("", false), (""", "from": "2026-10-02T03:00:00Z" """, false), (""", "until": "2026-10-03T05:00:00Z" """, false),
            (""", "from": "2026-10-02T02:00:00Z", "until": "2026-10-03T05:00:00Z" """, false), (""", "from": "2026-10-02T03:00:00Z", "until": "2026-10-03T06:00:00Z" """, false),
            (WindowTests.Window, true), (""", "from": "2026-10-02T04:00:00Z", "until": "2026-10-02T06:00:00Z" """, true),
        })
        {
            var (status, answer) = await bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("source", source, "write", window));
            Assert.Equal((window, isWithin ? HttpStatusCode.Created : HttpStatusCode.Forbidden), (window, status));
            if (!isWithin) Assert.Equal("grant-exceeds", answer.GetProperty("type").GetString());
        }
        var carol = service.NewPerson();
        var (_, second) = await bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("metric", source, "write", """, "from": "2026-10-02T04:00:00Z", "until": "2026-10-02T06:00:00Z" """));
        await GrantTests.AcceptAsync(carol, second.GetProperty("code").GetString()!);
        Assert.Equal((1, 0, 0, 1), await carol.CountsAsync(source, Given.Rows(Given.Row("2026-10-02T04:30:00Z", ("heart_rate", 1)), Given.Row("2026-10-02T03:30:00Z", ("heart_rate", 1)))));
        // The source itself is not in any time.
        Assert.Equal("access-too-low", await RefusedAsync(bob, "PUT", $"sources/{source}/metrics/added", """{"unit": "1"}"""));
        await ada.SendAsync(HttpMethod.Delete, $"grants/{first}");
        foreach (var who in new[] { bob, carol }) Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(who, "GET", $"sources/{source}/readings"));
    }

    [Fact]
    public async Task An_id_of_an_event_that_is_taken_is_nothing_to_whoever_cannot_see_it()
    {
        var (ada, bob, source) = await WindowTests.SettingAsync(service);
        var hidden = (await service.TruthAsync<Guid>("select event_id from events where user_id = @Id and type = 'before'", new { ada.Id })).Single();
        await ShareAsync(ada, bob, "source", source, "write", WindowTests.Window);
        var body = $$"""
            {"events": [{"id": "{{hidden}}", "kind": "sleep", "type": "a", "from": "2026-10-02T04:00:00Z", "to": "2026-10-02T05:00:00Z"},
                        {"id": "{{hidden}}", "kind": "sleep", "type": "b", "from": "2026-10-02T04:00:00Z", "to": "2026-10-02T05:00:00Z"}]}
            """;
        Assert.Equal(2, (await DoneAsync(bob, "POST", $"sources/{source}/events", body)).GetProperty("stored").GetInt32());
        // One that is free is kept, whoever gives it; and one id twice in a request loses no event.
        var free = Guid.CreateVersion7();
        await DoneAsync(bob, "POST", $"sources/{source}/events", $$"""{"events": [{"id": "{{free}}", "kind": "sleep", "type": "c", "from": "2026-10-02T04:00:00Z", "to": "2026-10-02T05:00:00Z"}]}""");
        Assert.Contains(free, (await bob.GetAsync($"sources/{source}/events")).GetProperty("events").EnumerateArray().Select(one => one.GetProperty("id").GetGuid()));
        Assert.Equal(2, (await DoneAsync(ada, "POST", $"sources/{source}/events", body.Replace(hidden.ToString(), Guid.CreateVersion7().ToString(), StringComparison.Ordinal).Replace("04:00", "04:10", StringComparison.Ordinal))).GetProperty("stored").GetInt32());
    }

    private static async Task<Guid> ShareAsync(Person owner, Person with, string opens, Guid source, string access, string window = "")
    {
        var (grant, code) = await GrantTests.OfferAsync(owner, GrantTests.Offer(opens, source, access, window));
        await GrantTests.AcceptAsync(with, code);
        return grant;
    }

    private static async Task<JsonElement> DoneAsync(Person who, string method, string path, string? body = null)
    {
        var (status, answer) = await who.SendAsync(new HttpMethod(method), path, body);
        Assert.True(status == HttpStatusCode.OK, $"{method} {path} {status} {answer}");
        return answer;
    }

    private static async Task<HttpStatusCode> StatusAsync(Person who, string method, string path, string? body = null) => (await who.SendAsync(new HttpMethod(method), path, body)).Status;

    private static async Task<string?> RefusedAsync(Person who, string method, string path, string? body = null)
    {
        var (status, problem) = await who.SendAsync(new HttpMethod(method), path, body);
        Assert.Equal((method, path, HttpStatusCode.Forbidden), (method, path, status));
        return problem.GetProperty("type").GetString();
    }

    private static (string Pointer, string Type)[] Rejected(JsonElement answer) =>
        [.. answer.GetProperty("rejected").EnumerateArray().Select(item => (item.GetProperty("pointer").GetString()!, item.GetProperty("type").GetString()!))];

    private static string Events(params (string From, string To)[] all) =>
        $$"""{"events": [{{string.Join(", ", all.Select(one => $$"""{"kind": "sleep", "type": "deep", "from": "{{one.From}}", "to": "{{one.To}}"}"""))}}]}""";
}
