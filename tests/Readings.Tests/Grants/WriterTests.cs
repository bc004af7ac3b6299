using System.Net;
using System.Text.Json;

namespace OpenReadings.ReadingsTests;

/// <summary>What somebody else wrote says who, to those who may know.</summary>
public sealed class WriterTests(ReadingsService service)
{
    private const string Window = """, "from": "2026-10-01T00:00:00Z", "until": "2026-10-02T00:00:00Z" """;

    public static TheoryData<string, string> Grants
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var to in GrantTests.Recipients)
                foreach (var rest in new[] { "", Window }) all.Add(to, rest);
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Grants))]
    public async Task A_value_says_who_else_wrote_it_last_and_a_value_of_ones_own_says_nothing(string to, string rest)
    {
        var (ada, source) = await SettingAsync();
        var bob = (await GrantTests.ShareAsync(service, ada, to, more => GrantTests.Offer("everything", source, "write", rest + more))).Reader;
        async Task<string> WritersAsync() => string.Join(' ', (await RowsAsync(ada, source)).Select(row =>
            $"{row.GetProperty("values").GetProperty("pulse")}:{(row.TryGetProperty("written_by", out var by) ? by.GetProperty("pulse").GetGuid() == bob.Id ? "bob" : "?" : "-")}"));
        async Task WriteAsync(Person who, params (int Minute, double Pulse)[] all) =>
            await who.RecordAsync(source, Given.Rows(all.Select(one => Given.Row(Given.Minute(one.Minute), ("pulse", one.Pulse)))));

        await WriteAsync(ada, (1, 61), (2, 62));
        Assert.Equal("61:- 62:-", await WritersAsync());
        await WriteAsync(bob, (3, 63));                          // one, several, some that are there, the same again, and a correction
        await WriteAsync(bob, (4, 64), (5, 65));
        await WriteAsync(bob, (1, 61), (2, 72), (6, 66));
        Assert.Equal("61:- 72:bob 63:bob 64:bob 65:bob 66:bob", await WritersAsync());
        await WriteAsync(ada, (3, 63), (4, 74), (5, 65));
        Assert.Equal("61:- 72:bob 63:bob 74:- 65:bob 66:bob", await WritersAsync());
        Assert.Equal(HttpStatusCode.OK, (await bob.SendAsync(HttpMethod.Put, $"sources/{source}/readings/{Given.Minute(1)}", """{"values": {"pulse": 71}}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Put, $"sources/{source}/readings/{Given.Minute(2)}", """{"values": {"pulse": 73}}""")).Status);
        Assert.Equal("71:bob 73:- 63:bob 74:- 65:bob 66:bob", await WritersAsync());

        // The other answers say it too.
        Assert.Equal(bob.Id, (await ada.GetAsync($"sources/{source}/latest?metric=pulse")).GetProperty("latest").GetProperty("pulse").GetProperty("written_by").GetGuid());
        Assert.Equal(bob.Id, (await ada.GetAsync("series/latest?type=heart_rate")).GetProperty("latest").GetProperty("written_by").GetGuid());
        Assert.Equal([true, false, true, false, true, true], (await ada.GetAsync("series/readings?type=heart_rate")).GetProperty("readings").EnumerateArray()
            .Select(one => one.TryGetProperty("written_by", out var by) && by.GetGuid() == bob.Id));
        var lines = await TextAsync(ada, $"sources/{source}/readings", "application/x-ndjson");
        Assert.Equal(4, lines.Split('\n').Count(line => line.EndsWith($"\"written_by\":{{\"pulse\":\"{bob.Id}\"}}}}", StringComparison.Ordinal)));
        Assert.DoesNotContain("written_by", await TextAsync(ada, $"sources/{source}/readings?written_by=false", "application/x-ndjson"), StringComparison.Ordinal);
        Assert.DoesNotContain("written_by", await TextAsync(ada, $"sources/{source}/readings?written_by=false", "application/json"), StringComparison.Ordinal);
        Assert.StartsWith("at,systolic,diastolic,pulse\r\n", await TextAsync(ada, $"sources/{source}/readings", "text/csv"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Values_of_one_moment_by_several_people_each_say_their_own()
    {
        var (ada, source) = await SettingAsync();
        Person bob = await GrantAsync(ada, source, "write"), carol = await GrantAsync(ada, source, "write");
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60))));
        await bob.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(1), ("steps", 12))));
        var row = (await RowsAsync(ada, watch)).Single();
        Assert.Equal((60, 12), (row.GetProperty("values").GetProperty("heart_rate").GetDouble(), row.GetProperty("values").GetProperty("steps").GetDouble()));
        Assert.Equal($$"""{"steps":"{{bob.Id}}"}""", row.GetProperty("written_by").GetRawText());

        // The pressure is one reading of three parts, and whoever writes one of them has not written the others.
        async Task<string> WritersAsync() => (await RowsAsync(ada, source)).Single() is var all && all.TryGetProperty("written_by", out var by)
            ? by.GetRawText().Replace(bob.Id.ToString(), "bob", StringComparison.Ordinal).Replace(carol.Id.ToString(), "carol", StringComparison.Ordinal)
            : "nobody";
        await bob.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("systolic", 121), ("diastolic", 79))));
        Assert.Equal("""{"systolic":"bob","diastolic":"bob"}""", await WritersAsync());
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("diastolic", 80))));
        Assert.Equal("""{"systolic":"bob"}""", await WritersAsync());
        await carol.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("systolic", 121), ("diastolic", 80), ("pulse", 61))));
        Assert.Equal("""{"systolic":"bob","pulse":"carol"}""", await WritersAsync());
        // Another offset is another reading, and the same values.
        await carol.RecordAsync(source, Given.Rows(Given.Row("2026-10-01T02:01:00+02:00", ("systolic", 121), ("diastolic", 80), ("pulse", 61))));
        Assert.Equal(("""{"systolic":"bob","pulse":"carol"}""", "2026-10-01T02:01:00+02:00"), (await WritersAsync(), (await RowsAsync(ada, source)).Single().GetProperty("at").GetString()));
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("systolic", 122), ("pulse", 62))));
        Assert.Equal("nobody", await WritersAsync());
        Assert.Equal([true], await service.TruthAsync<bool>("select r.written_by is null from readings r join metrics m using (series_id) where m.source_id = @source and m.metric = 'pulse'", new { source }));
    }

    [Fact]
    public async Task Others_see_of_what_they_wrote_that_it_was_they_and_not_who_else_writes()
    {
        var (ada, source) = await SettingAsync();
        Person bob = await GrantAsync(ada, source, "write"), carol = await GrantAsync(ada, source, "admin");
        await ada.SendAsync(HttpMethod.Patch, $"sources/{source}", """{"is_public": true}""", headers: ("If-Match", "*"));
        await bob.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("pulse", 61))));
        await carol.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(2), ("pulse", 62))));
        foreach (var (who, minute) in new[] { (bob, 61), (carol, 62) })
        {
            var told = (await RowsAsync(who, source)).Where(row => row.TryGetProperty("written_by", out _)).ToArray();
            Assert.Equal([minute], told.Select(row => row.GetProperty("values").GetProperty("pulse").GetInt32()));
            Assert.Equal(who.Id, told[0].GetProperty("written_by").GetProperty("pulse").GetGuid());
        }
        foreach (var path in new[] { $"sources/{source}/latest", $"series/latest?type=heart_rate&owner={ada.Id}" })
        {
            Assert.DoesNotContain("written_by", await TextAsync(bob, path, "application/json"), StringComparison.Ordinal);
            Assert.Contains($"\"written_by\":\"{carol.Id}\"", await TextAsync(carol, path, "application/json"), StringComparison.Ordinal);
        }
        // Neither do programs of the owner's own, who do not see either with whom she shares.
        foreach (var path in new[] { $"sources/{source}/readings", $"sources/{source}/latest", "series/latest?type=heart_rate", "series/readings?type=heart_rate", $"sources/{source}/events" })
            Assert.DoesNotContain("written_by", await TextAsync(ada.Through(service.NewApplication()), path, "application/json"), StringComparison.Ordinal);
        Assert.Equal([false, false], (await RowsAsync(service.NewPerson(), source, $"?owner={ada.Id}")).Select(row => row.TryGetProperty("written_by", out _)));
    }

    [Fact]
    public async Task An_event_says_it_too()
    {
        var (ada, source) = await SettingAsync();
        var bob = await GrantAsync(ada, source, "write");
        static string Sleep(string hour, int quality) =>
            $$$"""{"events": [{"kind": "sleep", "type": "deep", "from": "2026-10-01T{{{hour}}}:00:00Z", "to": "2026-10-01T{{{hour}}}:30:00Z", "details": {"quality": {{{quality}}}}}]}""";
        async Task<string> WritersAsync(Person who) => string.Join(' ', (await who.GetAsync($"sources/{source}/events?owner={ada.Id}")).GetProperty("events").EnumerateArray()
            .Select(one => one.TryGetProperty("written_by", out var by) ? by.GetGuid() == bob.Id ? "bob" : "?" : "-"));

        foreach (var (who, hour, quality) in new[] { (ada, "01", 1), (bob, "02", 1), (ada, "03", 1), (bob, "04", 1), (bob, "03", 2), (bob, "01", 1), (ada, "04", 2) })
            Assert.Equal(HttpStatusCode.OK, (await who.SendAsync(HttpMethod.Post, $"sources/{source}/events", Sleep(hour, quality))).Status);
        Assert.Equal("- bob bob -", await WritersAsync(ada));
        Assert.Equal("- bob bob -", await WritersAsync(bob));
        Assert.Equal("- - - -", await WritersAsync(await GrantAsync(ada, source, "read")));
    }

    private async Task<(Person Ada, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        return (ada, await ada.SourceAsync(Person.Cuff));
    }

    private async Task<Person> GrantAsync(Person ada, Guid source, string access) =>
        (await GrantTests.ShareAsync(service, ada, "person", rest => GrantTests.Offer("everything", source, access, rest))).Reader;

    private static async Task<JsonElement[]> RowsAsync(Person who, Guid source, string query = "") =>
        [.. (await who.GetAsync($"sources/{source}/readings{query}")).GetProperty("readings").EnumerateArray()];

    private static async Task<string> TextAsync(Person who, string path, string type)
    {
        using var answer = await who.RawAsync(HttpMethod.Get, path, headers: ("Accept", type));
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(ReadingsService.Ct);
    }
}
