using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

/// <summary>A grant of a part of the time axis: what lies in it, and nothing beside it by any way.</summary>
public sealed class WindowTests(ReadingsService service)
{
    internal const string Window = """, "from": "2026-10-02T03:00:00Z", "until": "2026-10-03T05:00:00Z" """;

    public static TheoryData<string, string> Kinds => GrantMatrixTests.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_window_shows_what_lies_in_it_and_nothing_else(string opens, string to)
    {
        var (ada, _, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, to, rest => GrantTests.Offer(opens, source, "read", Window + rest));
        var (grant, bob, isWhole) = (sharing.Grant, sharing.Reader, opens is "everything" or "source");

        // One reading an hour for four days, each with the number of its hour: the 27th is the first of the window, 26 are in it.
        var rows = (await bob.GetAsync($"sources/{source}/readings?limit=1000")).GetProperty("readings").EnumerateArray()
            .Select(row => row.GetProperty("values").GetProperty("heart_rate").GetDouble()).ToArray();
        Assert.Equal(Enumerable.Range(27, 26).Select(hour => (double)hour), rows);
        var shown = await bob.GetAsync($"sources/{source}");
        Assert.Equal(("Watch", isWhole ? 2 : 1), (shown.GetProperty("name").GetString(), shown.GetProperty("metrics").EnumerateObject().Count()));
        Assert.Equal(52, (await bob.GetAsync($"sources/{source}/latest?metric=heart_rate")).GetProperty("latest").GetProperty("heart_rate").GetProperty("value").GetDouble());
        foreach (var (bucket, counts) in new (string, int[])[] { ("1h", [.. Enumerable.Repeat(1, 26)]), ("1d", [21, 5]), ("1w", [26]), ("1M", [26]) })
        {
            var answer = (await bob.GetAsync($"sources/{source}/buckets?metric=heart_rate&bucket={bucket}&from=2026-09-01T00:00:00Z&to=2026-11-01T00:00:00Z")).GetProperty("buckets").EnumerateArray().ToArray();
            Assert.Equal((bucket, string.Join(',', counts)), (bucket, string.Join(',', answer.Select(one => one.GetProperty("count").GetInt32()))));
            Assert.Equal((27, 52), (answer.Min(one => one.GetProperty("min").GetDouble()), answer.Max(one => one.GetProperty("max").GetDouble())));
        }
        // Events are of a source, and so not of a metric.
        Assert.Equal(isWhole ? ["inside"] : [], Types(await bob.GetAsync($"sources/{source}/events")));
        foreach (var (method, path, body) in new (string, string, string?)[]
        {
            ("POST", "/readings", Given.Rows(Given.Row("2026-10-02T04:30:00Z", ("heart_rate", 1)))), ("DELETE", "/readings", null),
            ("PUT", $"/readings/2026-10-02T04:00:00Z", """{"values": {"heart_rate": 1}}"""), ("DELETE", "/events", null), ("PUT", "/metrics/x", """{"unit": "1"}"""),
        })
            Assert.Equal((method, path, HttpStatusCode.Forbidden), (method, path, (await bob.SendAsync(new HttpMethod(method), $"sources/{source}{path}", body)).Status));
        foreach (var reader in sharing.Readers) Assert.Equal(26, (await reader.GetAsync($"sources/{source}/readings?owner={ada.Id}")).GetProperty("readings").GetArrayLength());
        foreach (var stranger in sharing.Strangers)
            Assert.Equal(HttpStatusCode.NotFound, (await stranger.SendAsync(HttpMethod.Get, $"sources/{source}/readings?owner={ada.Id}")).Status);
        Assert.Contains("read", (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("verb").GetString()));

        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}")).Status);
        foreach (var path in new[] { "", "/readings", "/latest", "/events", "/buckets?metric=heart_rate" })
            Assert.Equal((path, HttpStatusCode.NotFound), (path, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}{path}")).Status));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task In_the_database_a_window_is_open_to_its_guests_alone_and_to_no_role_but_the_guests(string opens, string to)
    {
        var (ada, _, source) = await SettingAsync();
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        var series = (await service.TruthAsync<int>("select series_id from series where source_id = @source", new { source })).ToArray();
        var opened = (await service.TruthAsync<int>("select series_id from metrics where source_id = @source and metric = 'heart_rate'", new { source })).ToArray();
        var (metrics, events) = opens is "everything" or "source" ? (2, 1) : (1, 0);
        var tables = new (string Table, string Mine, long Count)[]
        {
            ("sources", "source_id = @source", 1), ("metrics", "source_id = @source", metrics), ("series", "source_id = @source", metrics), ("events", "source_id = @source", events),
            ("readings", "series_id = any (@series)", 26 * metrics), ("readings_hour", "series_id = any (@series)", 26 * metrics), ("readings_day", "series_id = any (@series)", 0),
        };
        foreach (var (access, state) in new[]
            { ("admin", "offered"), ("read", "accepted"), ("write", "accepted"), ("admin", "accepted"), ("write", "expired"), ("admin", "revoked") })
        {
            var sharing = await GrantTests.ShareAsync(service, ada, to, rest => GrantTests.Offer(opens, source, access, Window + rest), accept: state != "offered");
            if (state == "expired") await GrantTests.LetTimePassAsync(service, sharing.Grant);
            if (state is "revoked") await ada.SendAsync(HttpMethod.Delete, $"grants/{sharing.Grant}");
            foreach (var (table, mine, count) in tables)
                foreach (var verb in new[] { "select", "update", "delete" })
                {
                    async Task IsAsync(long expected, Person who, string role, Guid owner) =>
                        Assert.Equal((table, verb, access, state, role, expected), (table, verb, access, state, role, await TryAsync(app, who, role, owner, verb switch
                        {
                            "select" => $"select count(*) from {table} where {mine}",
                            "update" => $"with x as (update {table} set {(table == "series" ? "group_name = group_name" : table is "sources" or "metrics" or "events" ? "user_id = user_id" : "series_id = series_id")} where {mine} returning 1) select count(*) from x",
                            _ => $"with x as (delete from {table} where {mine} returning 1) select count(*) from x",
                        }, new { source, series })));

                    foreach (var reader in sharing.Readers) await IsAsync(MayAsGuest(verb, table) ? count : 0, reader, "readings_guest", ada.Id);
                    await IsAsync(0, sharing.Reader, "readings_app", ada.Id);
                    await IsAsync(0, sharing.Reader, "readings_guest", sharing.Reader.Id);
                    // Not even what is one's own is seen as a guest; of readings the number of their series decides, as it does for the app.
                    if (!table.StartsWith("readings", StringComparison.Ordinal)) await IsAsync(0, ada, "readings_guest", sharing.Reader.Id);
                    foreach (var stranger in sharing.Strangers) await IsAsync(0, stranger, "readings_guest", ada.Id);
                }
            bool MayAsGuest(string verb, string table) =>
                state == "accepted" && (verb == "select" || (access != "read" && (table is "readings" or "events")));
            // Where nothing is yet: an hour of the window that is free, the one before it begins, and the one in which it ends.
            foreach (var (at, isInside) in new[] { ("2026-10-02T03:30:00Z", true), ("2026-10-02T02:30:00Z", false), ("2026-10-03T05:00:01Z", false) })
                foreach (var (table, sql) in new[]
                {
                    ("readings", $"with made as (insert into readings (series_id, at, value, utc_offset) select s, '{at}', 1, 0 from unnest(@series) as s limit 1 returning 1) select count(*) from made"),
                    ("events", $"with made as (insert into events (event_id, source_id, kind, type, started_at, ended_at, start_offset, end_offset) values (gen_random_uuid(), @source, 'sleep', 'deep', '{at}', '{at}', 0, 0) returning 1) select count(*) from made"),
                })
                {
                    var may = isInside && MayAsGuest("insert", table) && (table == "readings" || events == 1);
                    foreach (var reader in sharing.Readers)
                        Assert.Equal((table, at, access, state, may ? 1L : 0), (table, at, access, state, await TryAsync(app, reader, "readings_guest", ada.Id, sql, new { source, series = opened })));
                    foreach (var (who, role) in sharing.Strangers.Select(stranger => (stranger, "readings_guest")).Append((sharing.Reader, "readings_app")))
                        Assert.Equal((table, at, 0L), (table, at, await TryAsync(app, who, role, ada.Id, sql, new { source, series = opened })));
                }
            // Ended, so that the next one stands alone.
            await ada.SendAsync(HttpMethod.Delete, $"grants/{sharing.Grant}");
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

    [Fact]
    public async Task A_window_of_one_metric_stands_beside_another_one_that_is_open_for_good()
    {
        var (ada, bob, source) = await SettingAsync();
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("metric", source, "read", Window))).Code);
        var (steps, code) = await GrantTests.OfferAsync(ada, $$"""{"opens": "metric", "source_id": "{{source}}", "metric": "steps", "access": "read"}""");
        await GrantTests.AcceptAsync(bob, code);
        async Task<(int HeartRates, int Steps)> SeesAsync()
        {
            using var fresh = await bob.RawAsync(HttpMethod.Get, $"sources/{source}/readings?owner={ada.Id}&limit=1000");
            var rows = (await Person.JsonAsync(fresh)).GetProperty("readings").EnumerateArray().Select(row => row.GetProperty("values")).ToList();
            return (rows.Count(row => row.TryGetProperty("heart_rate", out _)), rows.Count(row => row.TryGetProperty("steps", out _)));
        }
        Assert.Equal((26, 96), await SeesAsync());
        // Whoever may write to one of them for good does so as a guest, and sees as much as before.
        var (writing, second) = await GrantTests.OfferAsync(ada, $$"""{"opens": "metric", "source_id": "{{source}}", "metric": "steps", "access": "write"}""");
        await GrantTests.AcceptAsync(bob, second);
        Assert.Equal((1, 0, 0, 0), await bob.CountsAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("steps", 4)))));
        Assert.Equal((26, 97), await SeesAsync());
        Assert.Equal(HttpStatusCode.Forbidden, (await bob.SendAsync(HttpMethod.Post, $"sources/{source}/readings", Given.Rows(Given.Row("2026-10-02T04:30:00Z", ("heart_rate", 1))))).Status);
        await ada.SendAsync(HttpMethod.Delete, $"grants/{writing}");
        await ada.SendAsync(HttpMethod.Delete, $"grants/{steps}");
        Assert.Equal(["heart_rate"], (await service.TruthAsync<string>(
            "select m.metric from series_windows w join metrics m using (series_id) where w.user_id = @Id", new { bob.Id })));
    }

    [Fact]
    public async Task A_metric_that_comes_into_a_category_comes_into_its_window_too()
    {
        var (ada, bob, source) = await SettingAsync();
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("category", source, "read", Window))).Code);
        var ring = await ada.SourceAsync("""{"name": "Ring", "kind": "ring", "metrics": {"pulse": {"unit": "bpm", "type": "heart_rate"}, "mood": "1"}}""");
        await ada.RecordAsync(ring, Given.Rows(Given.Row("2026-10-02T04:00:00Z", ("pulse", 1)), Given.Row("2026-10-04T04:00:00Z", ("pulse", 2))));
        Assert.Equal("pulse", Assert.Single((await bob.GetAsync($"sources/{ring}")).GetProperty("metrics").EnumerateObject()).Name);
        Assert.Single((await bob.GetAsync($"sources/{ring}/readings")).GetProperty("readings").EnumerateArray());
    }

    [Fact]
    public async Task Events_are_shown_no_longer_than_the_source_although_one_of_its_metrics_is()
    {
        var (ada, bob, source) = await SettingAsync();
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("metric", source, "read", Window))).Code);
        Assert.Empty(Types(await bob.GetAsync($"sources/{source}/events")));
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read", Window));
        await GrantTests.AcceptAsync(bob, code);
        Assert.Equal(["inside"], Types(await bob.GetAsync($"sources/{source}/events?owner={ada.Id}")));
        await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        Assert.Empty(Types(await bob.GetAsync($"sources/{source}/events?owner={ada.Id}")));
        Assert.Equal(26, (await bob.GetAsync($"sources/{source}/readings?metric=heart_rate")).GetProperty("readings").GetArrayLength());
    }

    [Theory]
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

    private static async Task<long> TryAsync(NpgsqlConnection app, Person who, string role, Guid owner, string sql, object args)
    {
        await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
        try
        {
            await app.ExecuteAsync(
                """
                select set_config('app.user_id', @id, true), set_config('app.client_id', @client, true), set_config('app.owner_id', @owner::text, true), set_config('role', @role, true)
                """, new { id = who.Id.ToString(), client = who.Client.ToString(), owner, role }, transaction);
            return await app.ExecuteScalarAsync<long>(sql, args, transaction);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return 0;
        }
    }

    private static string[] Types(JsonElement events) => [.. events.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("type").GetString()!)];

    private Task<(Person Ada, Person Bob, Guid Source)> SettingAsync() => SettingAsync(service);

    /// <summary>A reading an hour for four days, and three events: before the window, across its beginning, and in it.</summary>
    internal static async Task<(Person Ada, Person Bob, Guid Source)> SettingAsync(ReadingsService service)
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Enumerable.Range(0, 96).Select(hour => Given.Row(Given.Minute(hour * 60), ("heart_rate", hour + 0.0), ("steps", 1)))));
        await ada.SendAsync(HttpMethod.Post, $"sources/{source}/events",
            """
            {"events": [{"kind": "sleep", "type": "before", "from": "2026-10-01T01:00:00Z", "to": "2026-10-01T02:00:00Z"},
                        {"kind": "sleep", "type": "across", "from": "2026-10-02T02:00:00Z", "to": "2026-10-02T04:00:00Z"},
                        {"kind": "sleep", "type": "inside", "from": "2026-10-02T04:00:00Z", "to": "2026-10-02T05:00:00Z"}]}
            """);
        return (ada, service.NewPerson(), source);
    }
}
