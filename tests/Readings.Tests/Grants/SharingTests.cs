using System.Net;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Events;
using OpenReadings.Readings;

namespace OpenReadings.ReadingsTests;

/// <summary>That what is open follows from the grants at every moment, whatever changes around them.</summary>
public sealed class SharingTests(ReadingsService service)
{
    [Fact]
    public async Task Of_overlapping_grants_each_access_lasts_as_long_as_its_longest_and_one_that_ends_leaves_the_others()
    {
        var (ada, bob, source) = await SettingAsync();
        var series = await SeriesAsync(source, "heart_rate");
        var random = new Random(20261127);
        var open = new List<(Guid Grant, int Access, DateTime Ends)>();
        for (var step = 0; step < 40; step++)
        {
            if (open.Count > 0 && random.Next(3) == 0)
            {
                var ending = open[random.Next(open.Count)];
                await (random.Next(2) == 0 ? ada : bob).SendAsync(HttpMethod.Delete, $"grants/{ending.Grant}");
                open.Remove(ending);
            }
            else
            {
                var (access, day) = (random.Next(1, 4), random.Next(0, 28));
                var rest = day == 0 ? "" : $$""", "ends_at": "2090-01-{{day:00}}T00:00:00Z" """;
                var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer(
                    new[] { "everything", "category", "source", "metric" }[random.Next(4)], source, new[] { "read", "write", "admin" }[access - 1], rest));
                await GrantTests.AcceptAsync(bob, code);
                open.Add((grant, access, day == 0 ? DateTime.MaxValue : new DateTime(2090, 1, day, 0, 0, 0, DateTimeKind.Utc)));
            }
            var stored = await service.TruthAsync<(short Access, DateTime Ends)>(
                "select access, expires_at from series_access where user_id = @Id and series_id = @series", new { bob.Id, series });
            for (var access = 1; access <= 3; access++)
            {
                DateTime Latest(IEnumerable<(int Access, DateTime Ends)> of) => of.Where(one => one.Access >= access).Select(one => one.Ends).DefaultIfEmpty().Max();
                Assert.Equal((step, access, Latest(open.Select(one => (one.Access, one.Ends)))), (step, access, Latest(stored.Select(one => ((int)one.Access, one.Ends)))));
            }
        }
        Assert.True(open.Count > 3);
    }

    [Fact]
    public async Task What_is_added_to_something_granted_is_open_too_and_what_leaves_it_is_closed()
    {
        var (ada, bob, source) = await SettingAsync();
        await ShareAsync(ada, bob, GrantTests.Offer("category", source, "read"));
        var second = await ada.SourceAsync("""{"name": "Ring", "kind": "ring", "metrics": {"pulse": {"unit": "bpm", "type": "heart_rate"}, "steps": {"unit": "steps", "type": "steps"}}}""");
        Assert.Equal(["pulse"], Names(await bob.GetAsync($"sources/{second}")));
        // The owner says that it is none: the category is no longer this metric's.
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Put, $"sources/{second}/metrics/pulse", """{"unit": "bpm"}""")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{second}")).Status);

        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "write"));
        Assert.Equal(HttpStatusCode.Created, (await ada.SendAsync(HttpMethod.Put, $"sources/{source}/metrics/mood", """{"unit": "1"}""")).Status);
        Assert.Equal((1, 0, 0, 0), await bob.CountsAsync(source, Given.Rows(Given.Row(Given.Minute(3), ("mood", 4)))));

        await ShareAsync(ada, bob, GrantTests.Offer("everything", source, "read"));
        var third = await ada.SourceAsync("""{"name": "Empty", "kind": "k", "metrics": {}}""");
        Assert.Empty(Names(await bob.GetAsync($"sources/{third}")));
        Assert.Equal(3, (await bob.GetAsync($"sources?owner={ada.Id}")).GetProperty("sources").GetArrayLength());
        Assert.Empty((await bob.GetAsync("sources")).GetProperty("sources").EnumerateArray());
    }

    [Fact]
    public async Task A_type_that_moves_to_another_category_takes_its_series_along()
    {
        var (ada, bob, _) = await SettingAsync();
        var type = new SeriesTypeDefined($"type_{Guid.NewGuid():N}", $"first_{Guid.NewGuid():N}", "1", "average", null, null, null, 1);
        await service.DeliverAsync("catalog.events", type);
        var source = await ada.SourceAsync($$"""{"name": "n", "kind": "k", "metrics": {"a": {"unit": "1", "type": "{{type.Code}}" } } }""");
        await ShareAsync(ada, bob, $$"""{"opens": "category", "category": "{{type.Category}}", "access": "read"}""");
        await bob.GetAsync($"sources/{source}");
        await service.DeliverAsync("catalog.events", type with { Category = "heart", Version = 2 });
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        await ShareAsync(ada, bob, GrantTests.Offer("category", source, "read"));
        await bob.GetAsync($"sources/{source}");
        await service.DeliverAsync("catalog.events", type with { Category = "body", Version = 3 });
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
    }

    [Fact]
    public async Task A_metric_that_shares_its_rows_opens_them_all()
    {
        var (ada, bob, _) = await SettingAsync();
        var cuff = await ada.SourceAsync(Person.Cuff);
        await ShareAsync(ada, bob, $$"""{"opens": "metric", "source_id": "{{cuff}}", "metric": "systolic", "access": "read"}""");
        Assert.Equal(["systolic", "diastolic", "pulse"], Names(await bob.GetAsync($"sources/{cuff}")));
    }

    [Fact]
    public async Task All_of_one_owners_series_of_a_type_are_read_together_and_not_mixed_with_ones_own()
    {
        var (ada, bob, source) = await SettingAsync();
        var own = await bob.SourceAsync(Person.Watch);
        await bob.RecordAsync(own, Given.Rows(Given.Row(Given.Minute(5), ("heart_rate", 99))));
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "read"));
        foreach (var (owner, expected) in new[] { ("", 99.0), ($"&owner={ada.Id}", 60.0), ($"&owner={bob.Id}", 99.0) })
        {
            Assert.Equal(expected, Assert.Single((await bob.GetAsync($"series/readings?type=heart_rate{owner}")).GetProperty("readings").EnumerateArray()).GetProperty("value").GetDouble());
            Assert.Equal(expected, (await bob.GetAsync($"series/latest?type=heart_rate{owner}")).GetProperty("latest").GetProperty("value").GetDouble());
            Assert.Equal(expected, Assert.Single((await bob.GetAsync($"series/buckets?type=heart_rate&from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z{owner}")).GetProperty("buckets").EnumerateArray()).GetProperty("avg").GetDouble());
            Assert.Single((await bob.GetAsync($"series?type=heart_rate{owner}")).GetProperty("series").EnumerateArray());
        }
        var (status, problem) = await bob.SendAsync(HttpMethod.Get, "sources?owner=me");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid-owner"), (status, problem.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task Of_several_sources_with_one_id_ones_own_comes_first_and_owner_chooses_among_the_others()
    {
        var (ada, bob, source) = await SettingAsync();
        var carol = service.NewPerson();
        await carol.SendAsync(HttpMethod.Put, $"sources/{source}", """{"name": "Carol's", "kind": "k", "metrics": {"heart_rate": "bpm"}}""");
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "read"));
        await ShareAsync(carol, bob, GrantTests.Offer("metric", source, "read"));
        var (status, problem) = await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings");
        Assert.Equal((HttpStatusCode.Conflict, "owner-required"), (status, problem.GetProperty("type").GetString()));
        Assert.Equal("Watch", (await bob.GetAsync($"sources/{source}?owner={ada.Id}")).GetProperty("name").GetString());
        Assert.Equal("Carol's", (await bob.GetAsync($"sources/{source}?owner={carol.Id}")).GetProperty("name").GetString());
        await bob.SendAsync(HttpMethod.Put, $"sources/{source}", """{"name": "Bob's", "kind": "k", "metrics": {}}""");
        Assert.Equal("Bob's", (await bob.GetAsync($"sources/{source}")).GetProperty("name").GetString());
    }

    [Fact]
    public async Task A_revoked_grant_opens_nothing_in_the_very_transaction_that_revokes_it()
    {
        var (ada, bob, source) = await SettingAsync();
        var grant = await ShareAsync(ada, bob, GrantTests.Offer("source", source, "admin"));
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
        async Task<(long, long)> BobSeesAsync()
        {
            await app.ExecuteAsync("select set_config('app.user_id', @bob, true), set_config('app.owner_id', @ada, true)", new { bob = bob.Id.ToString(), ada = ada.Id.ToString() }, transaction);
            return (await app.ExecuteScalarAsync<long>("select count(*) from readings", transaction: transaction), await app.ExecuteScalarAsync<long>("select count(*) from sources", transaction: transaction));
        }
        Assert.Equal((2, 1), await BobSeesAsync());
        await app.ExecuteAsync("select set_config('app.user_id', @ada, true), set_config('app.owner_id', '', true), end_grant(@grant, null)", new { ada = ada.Id.ToString(), grant }, transaction);
        Assert.Equal((0, 0), await BobSeesAsync());
    }

    [Fact]
    public async Task An_item_that_names_what_is_for_looking_is_rejected_by_name_and_the_others_are_stored()
    {
        var (ada, bob, source) = await SettingAsync();
        await ShareAsync(ada, bob, GrantTests.Offer("everything", source, "read"));
        await ShareAsync(ada, bob, GrantTests.Offer("metric", source, "write"));    // the heart rate
        var answer = await bob.RecordAsync(source, Given.Rows(
            Given.Row(Given.Minute(2), ("heart_rate", 62)), Given.Row(Given.Minute(3), ("heart_rate", 63), ("steps", 3)), Given.Row(Given.Minute(4), ("steps", 4))));
        Assert.Equal((1, 0, 0, 2), Person.Counts(answer));
        Assert.Equal(["/readings/1/values/steps", "/readings/2/values/steps"], answer.GetProperty("rejected").EnumerateArray().Select(one => one.GetProperty("pointer").GetString()));
        Assert.All(answer.GetProperty("rejected").EnumerateArray(), one => Assert.Equal("access-too-low", one.GetProperty("type").GetString()));
        answer = await bob.RecordAsync(source, Given.Columns(
            Given.Column("steps", [Given.Minute(5), Given.Minute(6)], [5, 6]), Given.Column("heart_rate", [Given.Minute(5)], [65])));
        Assert.Equal((1, 0, 0, 2), Person.Counts(answer));
        Assert.All(answer.GetProperty("rejected").EnumerateArray(), one => Assert.Equal(("/columns/0/metric", "access-too-low"), (one.GetProperty("pointer").GetString(), one.GetProperty("type").GetString())));

        // Where there is nothing else, it is the request that is refused.
        foreach (var body in new[] { Given.Rows(Given.Row(Given.Minute(7), ("steps", 7))), Given.Columns(Given.Column("steps", [Given.Minute(7)], [7])) })
            Assert.Equal(HttpStatusCode.Forbidden, (await bob.SendAsync(HttpMethod.Post, $"sources/{source}/readings", body)).Status);
        Assert.Equal([12], (await ada.GetAsync($"sources/{source}/readings?metric=steps")).GetProperty("readings").EnumerateArray().Select(row => row.GetProperty("values").GetProperty("steps").GetInt32()));
        Assert.Equal([60, 62, 65], (await ada.GetAsync($"sources/{source}/readings?metric=heart_rate")).GetProperty("readings").EnumerateArray().Select(row => row.GetProperty("values").GetProperty("heart_rate").GetInt32()));
    }

    [Fact]
    public async Task Writers_and_lookers_stand_by_name_in_the_owners_log_and_are_counted_by_the_hour()
    {
        var (ada, bob, source) = await SettingAsync();
        var given = (await service.TruthAsync<int>("select 1 from outbox where event_type like 'readings.%' and data ->> 'source_id' = @id", new { id = source.ToString() })).Count;
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "admin"));
        await bob.GetAsync($"sources/{source}/readings");
        await bob.GetAsync($"sources/{source}/latest");
        await bob.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(7), ("heart_rate", 70)), Given.Row(Given.Minute(8), ("heart_rate", 71))));
        await bob.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(6), ("heart_rate", 72))));
        await bob.SendAsync(HttpMethod.Delete, $"sources/{source}/readings?from={Given.Minute(8)}&metric=heart_rate");
        await bob.SendAsync(HttpMethod.Put, $"sources/{source}/metrics/mood", """{"unit": "1"}""");
        var log = await ada.GetAsync("access-log");
        var entries = log.GetProperty("entries").EnumerateArray().Select(entry => (entry.GetProperty("verb").GetString(), entry.GetProperty("count").GetInt32())).ToList();
        Assert.Equal([("admin", 1), ("delete", 1)], entries.Where(entry => entry.Item1 is not ("read" or "write")));
        Assert.Equal((2, 3), (entries.Where(entry => entry.Item1 == "read").Sum(entry => entry.Item2), entries.Where(entry => entry.Item1 == "write").Sum(entry => entry.Item2)));
        Assert.Empty(await service.TruthAsync<string>("select verb from access_log where user_id = @Id group by verb, hour having count(*) > 1", new { ada.Id }));
        Assert.All(log.GetProperty("entries").EnumerateArray(), entry => Assert.Equal((bob.Id, source), (entry.GetProperty("actor").GetGuid(), entry.GetProperty("source_id").GetGuid())));
        Assert.Empty((await bob.GetAsync("access-log")).GetProperty("entries").EnumerateArray());

        var page = await ada.GetAsync("access-log?limit=1");
        var rest = await ada.GetAsync($"access-log?limit=1000&after={page.GetProperty("next").GetGuid()}");
        Assert.Equal(log.GetProperty("entries").GetArrayLength(), 1 + rest.GetProperty("entries").GetArrayLength());
        // The event of what he wrote is an event of hers, and says who did.
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(5), ("heart_rate", 73))));
        Assert.Equal([("readings.recorded.v1", bob.Id), ("readings.recorded.v1", bob.Id), ("readings.deleted.v1", bob.Id), ("readings.recorded.v1", null)],
            await service.TruthAsync<(string, Guid?)>(
                """
                select event_type, (data ->> 'written_by')::uuid from outbox
                where event_type like 'readings.%' and (data ->> 'source_id')::uuid = @source and (data ->> 'user_id')::uuid = @Id order by id offset @given
                """, new { source, ada.Id, given }));
    }

    [Fact]
    public async Task What_the_log_says_is_forgotten_after_two_years()
    {
        var (ada, bob, source) = await SettingAsync();
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "read"));
        await bob.GetAsync($"sources/{source}/latest");
        await service.TruthAsync<int>(
            """
            insert into access_log (user_id, entry_id, actor_id, source_id, verb, at, hour)
            select user_id, gen_random_uuid(), actor_id, source_id, 'write', t, t
            from access_log, (values (now() - interval '2 years 1 hour'), (now() - interval '2 years' + interval '1 hour')) as times(t)
            where user_id = @Id
            """, new { ada.Id });
        await service.Services.GetRequiredService<ForgetOldAccess>().RunOnceAsync(ReadingsService.Ct);
        var left = (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("verb").GetString());
        Assert.Equal(["read", "write"], left.Order());
    }

    [Fact]
    public async Task Nobody_fills_the_log_of_somebody_who_shares_nothing_with_them()
    {
        var (ada, bob, source) = await SettingAsync();
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
        await app.ExecuteAsync("select set_config('app.user_id', @Id::text, true)", new { bob.Id }, transaction);
        await app.ExecuteAsync("select note_access(gen_random_uuid(), @Id, @source, 'write', 1)", new { ada.Id, source }, transaction);
        await transaction.CommitAsync(ReadingsService.Ct);
        Assert.Empty((await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_account_that_is_deleted_takes_its_grants_along(bool isOwner)
    {
        var (ada, bob, source) = await SettingAsync();
        var (_, open) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await ShareAsync(ada, bob, GrantTests.Offer("everything", source, "write"));
        await bob.GetAsync($"sources/{source}");
        var gone = isOwner ? ada : bob;
        await service.DeliverAsync("identity.events", new AccountDeleted(gone.Id, DateTimeOffset.UtcNow));
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
        foreach (var (table, columns) in new[]
            { ("grants", "user_id, grantee_id, granted_by"), ("source_access", "user_id, owner_id"), ("series_access", "user_id"), ("access_log", "user_id, actor_id"), ("public_looks", "user_id, owner_id") })
            Assert.Equal((table, 0), (table, (await service.TruthAsync<int>($"select count(*)::int from {table} where @Id in ({columns})", new { gone.Id })).Single()));
        // And nothing comes back with a token that is still good.
        var (status, _) = await (isOwner ? service.NewPerson() : bob).SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{open}}"}""");
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Equal(HttpStatusCode.NotFound, (await gone.SendAsync(HttpMethod.Post, "grants", """{"opens": "everything", "access": "read"}""")).Status);
    }

    [Fact]
    public async Task A_source_that_is_deleted_takes_its_grants_along()
    {
        var (ada, bob, source) = await SettingAsync();
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "read"));
        await ShareAsync(ada, bob, GrantTests.Offer("everything", source, "read"));
        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"sources/{source}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        Assert.Empty(await service.TruthAsync<int>("select access from source_access where source_id = @source", new { source }));
        // Under the same id again: the grant of everything still stands, the other one is over.
        await ada.SendAsync(HttpMethod.Put, $"sources/{source}", Person.Watch);
        await bob.GetAsync($"sources/{source}");
        Assert.Single((await ada.GetAsync("grants")).GetProperty("grants").EnumerateArray());
    }

    [Fact]
    public async Task Of_many_who_present_a_code_at_once_one_has_it()
    {
        var (ada, _, source) = await SettingAsync();
        for (var round = 0; round < 5; round++)
        {
            var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
            var people = Enumerable.Range(0, 8).Select(_ => service.NewPerson()).ToArray();
            var answers = await Task.WhenAll(people.Select(one => one.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{code}}"}""")));
            Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
            Assert.Single(await service.TruthAsync<Guid>("select distinct user_id from source_access where source_id = @source", new { source }));
            await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        }
    }

    [Fact]
    public async Task What_is_added_or_deleted_while_somebody_accepts_is_neither_missed_nor_left_behind()
    {
        var (ada, bob, _) = await SettingAsync();
        for (var round = 0; round < 10; round++)
        {
            var (leaving, growing, coming) = (await ada.SourceAsync(Person.Watch), await ada.SourceAsync(Person.Watch), Guid.CreateVersion7());
            var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("everything", growing, "read"));
            var all = await Task.WhenAll(
                bob.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{code}}"}"""),
                ada.SendAsync(HttpMethod.Put, $"sources/{growing}/metrics/mood", """{"unit": "1"}"""),
                ada.SendAsync(HttpMethod.Put, $"sources/{coming}", Person.Watch),
                ada.SendAsync(HttpMethod.Delete, $"sources/{leaving}"));
            Assert.All(all, answer => Assert.True((int)answer.Status < 300, answer.Answer.ToString()));
            Assert.Equal(
                await service.TruthAsync<int>("select series_id from series where user_id = @Id order by 1", new { ada.Id }),
                await service.TruthAsync<int>("select series_id from series_access where user_id = @Id order by 1", new { bob.Id }));
            Assert.Equal(
                await service.TruthAsync<Guid>("select source_id from sources where user_id = @Id order by 1", new { ada.Id }),
                await service.TruthAsync<Guid>("select distinct source_id from source_access where user_id = @Id order by 1", new { bob.Id }));
            await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
            Assert.Empty(await service.TruthAsync<int>("select 1 from series_access where user_id = @Id", new { bob.Id }));
        }
    }

    [Fact]
    public async Task Accepting_and_revoking_are_announced_once()
    {
        var (ada, bob, source) = await SettingAsync();
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await GrantTests.AcceptAsync(bob, code);
        await GrantTests.AcceptAsync(bob, code);
        await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        Assert.Equal(["grant.accepted.v1", "grant.revoked.v1"], await service.TruthAsync<string>(
            "select event_type from outbox where subject = @subject order by id", new { subject = grant.ToString() }));
    }

    [Fact]
    public async Task Whoever_had_what_was_granted_on_hears_too_that_it_ended()
    {
        var (ada, bob, source) = await SettingAsync();
        var (carol, dora) = (service.NewPerson(), service.NewPerson());
        var first = await ShareAsync(ada, bob, GrantTests.Offer("source", source, "admin"));
        async Task<Guid> GrantOnAsync(Person from, Person to)
        {
            var (status, offered) = await from.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("source", source, "admin"));
            Assert.True(status == HttpStatusCode.Created, offered.ToString());
            await GrantTests.AcceptAsync(to, offered.GetProperty("code").GetString()!);
            return offered.GetProperty("grant").GetProperty("grant_id").GetGuid();
        }
        var second = await GrantOnAsync(bob, carol);
        var third = await GrantOnAsync(carol, dora);
        // Bob cannot even see the third.
        Assert.Equal(HttpStatusCode.NoContent, (await bob.SendAsync(HttpMethod.Delete, $"grants/{first}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"grants/{second}")).Status);
        Assert.Equal(new[] { (first, bob.Id, bob.Id), (second, carol.Id, bob.Id), (third, dora.Id, bob.Id) }.Order(), (await service.TruthAsync<(Guid, Guid, Guid)>(
            """
            select (data ->> 'grant_id')::uuid, (data ->> 'grantee_id')::uuid, (data ->> 'ended_by')::uuid
            from outbox where event_type = 'grant.revoked.v1' and data ->> 'user_id' = @Id::text
            """, new { ada.Id })).Order());
    }

    [Fact]
    public async Task When_an_account_is_taken_back_what_was_shared_from_it_meanwhile_ends_and_what_was_before_stays()
    {
        var (ada, bob, source) = await SettingAsync();
        var eve = service.NewPerson();
        await ShareAsync(ada, bob, GrantTests.Offer("source", source, "read"));
        var (_, before) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        var hers = await eve.SourceAsync(Person.Watch);
        await ShareAsync(eve, ada, GrantTests.Offer("source", hers, "admin"));
        var since = (await service.TruthAsync<DateTime>("select clock_timestamp()")).Single();
        var taken = await ShareAsync(ada, eve, GrantTests.Offer("everything", source, "admin"));
        var (_, after) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await eve.GetAsync($"sources/{source}?owner={ada.Id}");
        var recovered = new AccountRecovered(ada.Id, since, DateTimeOffset.UtcNow);
        var delivering = service.DeliverAsync("identity.events", recovered);
        // A token that is believed for a moment more.
        var late = await ShareAsync(ada, eve, GrantTests.Offer("source", source, "read"));
        await delivering;
        Assert.Equal(HttpStatusCode.NotFound, (await eve.SendAsync(HttpMethod.Get, $"sources/{source}?owner={ada.Id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await service.NewPerson().SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{after}}"}""")).Status);
        await bob.GetAsync($"sources/{source}?owner={ada.Id}");
        await ada.GetAsync($"sources/{hers}?owner={eve.Id}");
        await GrantTests.AcceptAsync(service.NewPerson(), before);
        Assert.Equal(new[] { taken, late }.Order(), (await service.TruthAsync<Guid>(
            "select (data ->> 'grant_id')::uuid from outbox where event_type = 'grant.revoked.v1' and data ->> 'user_id' = @Id::text", new { ada.Id })).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44")]
    public async Task Sharing_costs_the_plans_of_an_ordinary_read_nothing(string client)
    {
        var (ada, bob, source) = await SettingAsync();
        await ShareAsync(ada, bob, GrantTests.Offer("everything", source, "read"));
        var series = await SeriesAsync(source, "heart_rate");
        async Task<string> PlanAsync(string sql)
        {
            await using var app = new NpgsqlConnection(service.Database.App);
            await app.OpenAsync(ReadingsService.Ct);
            await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
            await app.ExecuteAsync("select set_config('app.user_id', @Id::text, true), set_config('app.client_id', @client, true); set local enable_seqscan = off; set local enable_bitmapscan = off", new { ada.Id, client }, transaction);
            return string.Join('\n', await app.QueryAsync<string>($"explain (analyze, costs off, timing off, summary off) {sql}", new { source, series }, transaction));
        }
        var read = await PlanAsync("select value from readings where at >= '2026-10-01T00:00:00Z'::timestamptz and at < '2026-10-02T00:00:00Z'::timestamptz");
        Assert.Matches(@"Index Cond: \(\(series_id = ANY \(.*\)\) AND \(at >= ", read);
        Assert.Matches(@"series_access.*\n *Index Cond: \(user_id = ANY \(\$\d+\)\)", read);
        foreach (var sql in new[] { "select name from sources where source_id = @source", "select unit from metrics where source_id = @source", "select group_name from series where source_id = @source", "select type from events where started_at >= '2026-10-01T00:00:00Z'::timestamptz order by started_at, event_id limit 10" })
        {
            var plan = await PlanAsync(sql);
            Assert.Matches(@"Index Cond: \(\(user_id = \$\d+\)", plan);
            // The arrays of what others share are asked for by nobody who looks at their own.
            Assert.Matches(@"source_access.* \(never executed\)", plan);
            Assert.DoesNotContain("Sort", plan, StringComparison.Ordinal);
        }
    }

    private async Task<int> SeriesAsync(Guid source, string metric) =>
        (await service.TruthAsync<int>("select series_id from metrics where source_id = @source and metric = @metric", new { source, metric })).Single();

    private static async Task<Guid> ShareAsync(Person owner, Person grantee, string offer)
    {
        var (grant, code) = await GrantTests.OfferAsync(owner, offer);
        await GrantTests.AcceptAsync(grantee, code);
        return grant;
    }

    private static string[] Names(JsonElement source) => [.. source.GetProperty("metrics").EnumerateObject().Select(metric => metric.Name)];

    private async Task<(Person Ada, Person Bob, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60), ("steps", 12))));
        return (ada, service.NewPerson(), source);
    }
}
