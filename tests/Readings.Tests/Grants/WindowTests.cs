using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

/// <summary>A grant of a part of the time axis: what lies in it, for reading, and nothing beside it by any way.</summary>
public sealed class WindowTests(ReadingsService service)
{
    private const string Window = """, "from": "2026-10-02T03:00:00Z", "until": "2026-10-03T05:00:00Z" """;

    [Theory]
    [InlineData("everything")]
    [InlineData("source")]
    public async Task A_window_shows_what_lies_in_it_and_nothing_else(string opens)
    {
        var (ada, bob, source) = await SettingAsync();
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer(opens, source, "read", Window));
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
        await GrantTests.AcceptAsync(bob, code);

        // One reading an hour for four days, each with the number of its hour: the 27th is the first of the window, 26 are in it.
        var rows = (await bob.GetAsync($"sources/{source}/readings?limit=1000")).GetProperty("readings").EnumerateArray()
            .Select(row => row.GetProperty("values").GetProperty("heart_rate").GetDouble()).ToArray();
        Assert.Equal(Enumerable.Range(27, 26).Select(hour => (double)hour), rows);
        Assert.Equal("Watch", (await bob.GetAsync($"sources/{source}")).GetProperty("name").GetString());
        Assert.Equal(52, (await bob.GetAsync($"sources/{source}/latest?metric=heart_rate")).GetProperty("latest").GetProperty("heart_rate").GetProperty("value").GetDouble());
        foreach (var (bucket, counts) in new (string, int[])[] { ("1h", [.. Enumerable.Repeat(1, 26)]), ("1d", [21, 5]), ("1w", [26]), ("1M", [26]) })
        {
            var answer = (await bob.GetAsync($"sources/{source}/buckets?metric=heart_rate&bucket={bucket}&from=2026-09-01T00:00:00Z&to=2026-11-01T00:00:00Z")).GetProperty("buckets").EnumerateArray().ToArray();
            Assert.Equal((bucket, string.Join(',', counts)), (bucket, string.Join(',', answer.Select(one => one.GetProperty("count").GetInt32()))));
            Assert.Equal((27, 52), (answer.Min(one => one.GetProperty("min").GetDouble()), answer.Max(one => one.GetProperty("max").GetDouble())));
        }
        Assert.Equal(["inside"], Types(await bob.GetAsync($"sources/{source}/events")));
        foreach (var (method, path, body) in new (string, string, string?)[]
        {
            ("POST", "/readings", Given.Rows(Given.Row("2026-10-02T04:30:00Z", ("heart_rate", 1)))), ("DELETE", "/readings", null),
            ("PUT", $"/readings/2026-10-02T04:00:00Z", """{"values": {"heart_rate": 1}}"""), ("DELETE", "/events", null), ("PUT", "/metrics/x", """{"unit": "1"}"""),
        })
            Assert.Equal((method, path, HttpStatusCode.Forbidden), (method, path, (await bob.SendAsync(new HttpMethod(method), $"sources/{source}{path}", body)).Status));
        Assert.Equal(HttpStatusCode.NotFound, (await service.NewPerson().SendAsync(HttpMethod.Get, $"sources/{source}/readings?owner={ada.Id}")).Status);
        Assert.Contains("read", (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("verb").GetString()));

        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}")).Status);
        foreach (var path in new[] { "", "/readings", "/latest", "/events", "/buckets?metric=heart_rate" })
            Assert.Equal((path, HttpStatusCode.NotFound), (path, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}{path}")).Status));
    }

    [Theory]
    [InlineData("offered", false)]
    [InlineData("accepted", true)]
    [InlineData("expired", false)]
    [InlineData("revoked", false)]
    public async Task In_the_database_a_window_is_seen_by_its_guest_alone_and_by_no_role_but_the_guests(string state, bool isOpen)
    {
        var (ada, bob, source) = await SettingAsync();
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read", Window));
        if (state != "offered") await GrantTests.AcceptAsync(bob, code);
        if (state == "expired") await GrantTests.LetTimePassAsync(service, grant, bob.Id);
        if (state == "revoked") await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        var series = await service.TruthAsync<int>("select series_id from series where source_id = @source", new { source });
        var tables = new (string Table, string Mine, long Count)[]
        {
            ("sources", "source_id = @source", 1), ("metrics", "source_id = @source", 2), ("series", "source_id = @source", 2), ("events", "source_id = @source", 1),
            ("readings", "series_id = any (@series)", 26), ("readings_hour", "series_id = any (@series)", 26), ("readings_day", "series_id = any (@series)", 0),
        };
        foreach (var (table, mine, count) in tables)
            foreach (var verb in new[] { "select", "update", "delete" })
                foreach (var (who, role, owner) in new[]
                {
                    (bob.Id, "readings_guest", ada.Id), (bob.Id, "readings_app", ada.Id), (bob.Id, "readings_guest", bob.Id),
                    (Guid.NewGuid(), "readings_guest", ada.Id), (ada.Id, "readings_guest", bob.Id),
                })
                {
                    // Not even what is one's own is seen as a guest.
                    var expected = isOpen && who == bob.Id && role == "readings_guest" && owner == ada.Id && verb == "select" ? count : 0;
                    Assert.Equal((table, verb, role, expected), (table, verb, role, await TryAsync(app, who, role, owner, verb switch
                    {
                        "select" => $"select count(*) from {table} where {mine}",
                        "update" => $"with x as (update {table} set {(table == "series" ? "group_name = group_name" : table is "sources" or "metrics" or "events" ? "user_id = user_id" : "series_id = series_id")} where {mine} returning 1) select count(*) from x",
                        _ => $"with x as (delete from {table} where {mine} returning 1) select count(*) from x",
                    }, new { source, series = series.ToArray() })));
                }
        // And the connection is the app's again.
        Assert.Equal("readings_app", await app.ExecuteScalarAsync<string>("select current_user"));
    }

    [Fact]
    public async Task Windows_add_up_and_whoever_has_more_of_the_source_has_that()
    {
        var (ada, bob, source) = await SettingAsync();
        foreach (var window in new[] { Window, """, "until": "2026-10-01T02:00:00Z" """, """, "from": "2026-10-03T03:00:00Z", "until": "2026-10-03T07:00:00Z" """ })
            await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read", window))).Code);
        Assert.Equal(2 + 26 + 2, (await bob.GetAsync($"sources/{source}/readings")).GetProperty("readings").GetArrayLength());
        Assert.Equal([2, 21, 7], (await bob.GetAsync($"sources/{source}/buckets?metric=heart_rate&bucket=1d&from=2026-09-01T00:00:00Z")).GetProperty("buckets")
            .EnumerateArray().Select(one => one.GetProperty("count").GetInt32()));
        // A source that comes later is in the window of everything, and so are its readings.
        var (all, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("everything", source, "read", Window));
        await GrantTests.AcceptAsync(bob, code);
        var ring = await ada.SourceAsync("""{"name": "Ring", "kind": "ring", "metrics": {"pulse": "bpm"}}""");
        await ada.RecordAsync(ring, Given.Rows(Given.Row("2026-10-02T04:00:00Z", ("pulse", 1)), Given.Row("2026-10-04T04:00:00Z", ("pulse", 2))));
        Assert.Single((await bob.GetAsync($"sources/{ring}/readings")).GetProperty("readings").EnumerateArray());
        await ada.SendAsync(HttpMethod.Delete, $"grants/{all}");
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{ring}/readings")).Status);

        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"))).Code);
        using var fresh = await bob.RawAsync(HttpMethod.Get, $"sources/{source}/readings?owner={ada.Id}");
        Assert.Equal(96, (await Person.JsonAsync(fresh)).GetProperty("readings").GetArrayLength());
    }

    [Theory]
    [InlineData("""{"opens": "everything", "access": "write", "from": "2026-10-02T03:00:00Z"}""", "/opens")]
    [InlineData("""{"opens": "category", "category": "heart", "access": "read", "from": "2026-10-02T03:00:00Z"}""", "/opens")]
    [InlineData("""{"opens": "everything", "access": "read", "from": "2026-10-02T03:30:00Z"}""", "/from")]
    [InlineData("""{"opens": "everything", "access": "read", "until": "2026-10-02T03:30:00Z"}""", "/until")]
    [InlineData("""{"opens": "everything", "access": "read", "from": "2026-10-02T03:00:00Z", "until": "2026-10-02T03:00:00Z"}""", "/until")]
    [InlineData("""{"opens": "all", "access": "read"}""", "/opens")]
    [InlineData("""{"opens": "everything", "access": "own"}""", "/access")]
    [InlineData("""{"opens": "everything", "access": "read", "category": "heart"}""", "/category")]
    [InlineData("""{"opens": "source", "access": "read"}""", "/source_id")]
    [InlineData("""{"opens": "metric", "access": "read", "source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44"}""", "/metric")]
    [InlineData("""{"opens": "everything", "access": "read", "ends_at": "2020-01-01T00:00:00Z"}""", "/ends_at")]
    [InlineData("""{"opens": "everything", "access": "read", "code_expires_at": "2099-01-01T00:00:00Z"}""", "/code_expires_at")]
    public async Task What_is_wrong_with_an_offer_is_named(string offer, string pointer)
    {
        var (status, problem) = await service.NewPerson().SendAsync(HttpMethod.Post, "grants", offer);
        Assert.Equal((HttpStatusCode.BadRequest, pointer), (status, problem.GetProperty("errors")[0].GetProperty("pointer").GetString()));
    }

    private static async Task<long> TryAsync(NpgsqlConnection app, Guid who, string role, Guid owner, string sql, object args)
    {
        await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
        try
        {
            await app.ExecuteAsync("select set_config('app.user_id', @who::text, true), set_config('app.owner_id', @owner::text, true), set_config('role', @role, true)",
                new { who, owner, role }, transaction);
            return await app.ExecuteScalarAsync<long>(sql, args, transaction);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return 0;
        }
    }

    private static string[] Types(JsonElement events) => [.. events.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("type").GetString()!)];

    private async Task<(Person Ada, Person Bob, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Enumerable.Range(0, 96).Select(hour => Given.Row(Given.Minute(hour * 60), ("heart_rate", hour + 0.0)))));
        await ada.SendAsync(HttpMethod.Post, $"sources/{source}/events",
            """
            {"events": [{"kind": "sleep", "type": "before", "from": "2026-10-01T01:00:00Z", "to": "2026-10-01T02:00:00Z"},
                        {"kind": "sleep", "type": "across", "from": "2026-10-02T02:00:00Z", "to": "2026-10-02T04:00:00Z"},
                        {"kind": "sleep", "type": "inside", "from": "2026-10-02T04:00:00Z", "to": "2026-10-02T05:00:00Z"}]}
            """);
        return (ada, service.NewPerson(), source);
    }
}
