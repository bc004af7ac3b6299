using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;
using OpenReadings.Events;

namespace OpenReadings.ReadingsTests;

/// <summary>Grants that name an application: to it, whomever it acts for, or to a person through it alone.</summary>
public sealed class ApplicationTests(ReadingsService service)
{
    [Fact]
    public async Task An_application_is_granted_something_only_once_it_has_accepted_as_itself()
    {
        var (ada, source) = await SettingAsync();
        var (bob, program) = (service.NewPerson(), service.NewApplication());
        var (_, answer) = await ada.SendAsync(HttpMethod.Post, "grants",
            GrantTests.Offer("category", source, "read", $$""", "grantee": "{{program.Id}}", "client_id": "{{program.Id}}" """));
        var accept = $$"""{"grant_id": "{{answer.GetProperty("grant").GetProperty("grant_id").GetGuid()}}"}""";
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("code").ValueKind);
        foreach (var (who, expected) in new[]
        {
            (bob.Through(program), HttpStatusCode.Forbidden), (bob, HttpStatusCode.NotFound), (ada, HttpStatusCode.NotFound), (service.NewApplication(), HttpStatusCode.NotFound),
        })
            Assert.Equal(expected, (await who.SendAsync(HttpMethod.Post, "grants/accept", accept)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.Through(program).SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
        var (status, accepted) = await program.SendAsync(HttpMethod.Post, "grants/accept", accept);
        Assert.Equal((HttpStatusCode.OK, program.Id, program.Id), (status, accepted.GetProperty("grantee").GetGuid(), accepted.GetProperty("client_id").GetGuid()));
        Assert.Single((await bob.Through(program).GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
    }

    [Fact]
    public async Task Both_sides_see_through_which_application_and_so_does_who_hears_of_it()
    {
        var (ada, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, "person through an application", rest => GrantTests.Offer("source", source, "read", rest));
        var program = sharing.Reader.Client;
        foreach (var side in new[] { ada, new Person(service, sharing.Reader.Id) })
            Assert.Equal(program, Assert.Single((await side.GetAsync("grants")).GetProperty("grants").EnumerateArray()).GetProperty("client_id").GetGuid());
        await ada.SendAsync(HttpMethod.Delete, $"grants/{sharing.Grant}");
        Assert.Equal([("grant.accepted.v1", program), ("grant.revoked.v1", program)], await service.TruthAsync<(string, Guid?)>(
            "select event_type, (data ->> 'client_id')::uuid from outbox where subject = @subject order by id", new { subject = sharing.Grant.ToString() }));
    }

    [Fact]
    public async Task Through_an_application_somebody_has_what_they_have_anyway_and_what_is_open_through_it()
    {
        var (ada, source) = await SettingAsync();
        var (bob, program) = (service.NewPerson(), service.NewApplication());
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("metric", source, "read"))).Code);
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "write", $$""", "client_id": "{{program.Id}}" """));
        await GrantTests.AcceptAsync(bob, code);
        var row = Given.Rows(Given.Row(Given.Minute(2), ("steps", 5)));
        Assert.Equal((1, 0, 0, 0), await bob.Through(program).CountsAsync(source, row));
        Assert.Equal(["heart_rate"], (await bob.GetAsync($"sources/{source}")).GetProperty("metrics").EnumerateObject().Select(metric => metric.Name));
        foreach (var other in new[] { bob, bob.Through(service.NewApplication()) })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await other.SendAsync(HttpMethod.Post, $"sources/{source}/readings?owner={ada.Id}", Given.Rows(Given.Row(Given.Minute(3), ("heart_rate", 5))))).Status);
            Assert.Equal((0, 0, 0, 1), await other.CountsAsync(source, row));       // a metric that this one has never heard of
        }
        await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        Assert.Single((await bob.Through(program).GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
        // Its name may be remembered for a moment, and no value of it is.
        var (_, answer) = await bob.Through(program).SendAsync(HttpMethod.Get, $"sources/{source}/readings?metric=steps");
        Assert.True(!answer.TryGetProperty("readings", out var rows) || rows.GetArrayLength() == 0);
    }

    [Fact]
    public async Task What_an_application_has_under_its_own_id_is_out_of_reach_of_those_it_acts_for()
    {
        var (ada, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, "application as itself", rest => GrantTests.Offer("everything", source, "admin", rest));
        var (program, bob) = (sharing.Reader, service.NewPerson());
        var own = await program.SourceAsync(Person.Watch);
        foreach (var path in new[] { $"sources/{own}", $"sources/{own}?owner={program.Id}", $"sources/{source}?owner={ada.Id}", $"sources/{source}/readings" })
            Assert.Equal((path, HttpStatusCode.NotFound), (path, (await bob.Through(program).SendAsync(HttpMethod.Get, path)).Status));
        foreach (var owner in new[] { ada, program })
            Assert.Empty((await bob.Through(program).GetAsync($"sources?owner={owner.Id}")).GetProperty("sources").EnumerateArray());
        await program.GetAsync($"sources/{source}");
    }

    [Fact]
    public async Task An_application_finds_what_is_shared_with_it_and_leaves_it_and_nobody_it_acts_for_does_so_for_it()
    {
        var (ada, source) = await SettingAsync();
        var (program, other, bob) = (service.NewApplication(), service.NewApplication(), service.NewPerson());
        async Task<Guid> OfferAsync()
        {
            var (_, answer) = await ada.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("source", source, "read", $$""", "grantee": "{{program.Id}}", "client_id": "{{program.Id}}" """));
            return answer.GetProperty("grant").GetProperty("grant_id").GetGuid();
        }
        var (kept, declined) = (await OfferAsync(), await OfferAsync());
        await program.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"grant_id": "{{kept}}"}""");
        foreach (var (method, path) in new[] { (HttpMethod.Get, "grants"), (HttpMethod.Delete, $"grants/{kept}"), (HttpMethod.Post, $"grants/{declined}/decline") })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await bob.Through(program).SendAsync(method, path, "{}")).Status);
            if (method != HttpMethod.Get) Assert.Equal(HttpStatusCode.NotFound, (await other.SendAsync(method, path, "{}")).Status);
        }
        Assert.Empty((await other.GetAsync("grants")).GetProperty("grants").EnumerateArray());
        Assert.Equal([(kept, ada.Id, "accepted"), (declined, ada.Id, "offered")], await ListAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await program.SendAsync(HttpMethod.Post, $"grants/{declined}/decline", "{}")).Status);
        await program.GetAsync($"sources/{source}");
        Assert.Equal(HttpStatusCode.NoContent, (await program.SendAsync(HttpMethod.Delete, $"grants/{kept}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await program.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        Assert.Equal([(kept, ada.Id, "revoked"), (declined, ada.Id, "declined")], await ListAsync());

        async Task<IEnumerable<(Guid, Guid, string?)>> ListAsync() => (await program.GetAsync("grants")).GetProperty("grants").EnumerateArray()
            .Select(grant => (grant.GetProperty("grant_id").GetGuid(), grant.GetProperty("owner").GetGuid(), grant.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task What_is_open_through_an_application_alone_is_not_granted_on()
    {
        var (ada, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, "person through an application", rest => GrantTests.Offer("everything", source, "admin", rest));
        var bob = new Person(service, sharing.Reader.Id);
        foreach (var rest in new[] { "", $$""", "client_id": "{{sharing.Reader.Client}}" """ })
        {
            var (status, problem) = await bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("everything", source, "read", rest));
            Assert.Equal((HttpStatusCode.Forbidden, "grant-exceeds"), (status, problem.GetProperty("type").GetString()));
            Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("source", source, "read", rest))).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await sharing.Reader.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("source", source, "read", rest))).Status);
        }
        // Whoever is an admin with any program may narrow what they grant on to one.
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "admin"))).Code);
        var (made, answer) = await bob.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("source", source, "read", $$""", "client_id": "{{sharing.Reader.Client}}" """));
        Assert.Equal(HttpStatusCode.Created, made);
        var carol = service.NewPerson();
        await GrantTests.AcceptAsync(carol, answer.GetProperty("code").GetString()!);
        Assert.Equal(HttpStatusCode.NotFound, (await carol.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        await new Person(service, carol.Id, sharing.Reader.Client).GetAsync($"sources/{source}");
    }

    [Fact]
    public async Task The_log_says_through_which_application_somebody_looked_and_wrote()
    {
        var (ada, source) = await SettingAsync();
        var (bob, first, second) = (service.NewPerson(), service.NewApplication(), service.NewApplication());
        await GrantTests.AcceptAsync(bob, (await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "write"))).Code);
        foreach (var who in new[] { bob, bob, bob.Through(first), bob.Through(second), bob.Through(first), bob.Through(first) }) await who.GetAsync($"sources/{source}/readings");
        await bob.Through(second).RecordAsync(source, Given.Rows(Given.Row(Given.Minute(7), ("heart_rate", 70))));
        var entries = (await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray().Select(entry =>
        {
            Assert.Equal(bob.Id, entry.GetProperty("actor").GetGuid());
            return (entry.GetProperty("verb").GetString(), entry.GetProperty("client_id").ValueKind == JsonValueKind.Null ? default(Guid?) : entry.GetProperty("client_id").GetGuid(), entry.GetProperty("count").GetInt32());
        }).ToHashSet();
        Assert.True(entries.SetEquals([("read", null, 2), ("read", first.Id, 3), ("read", second.Id, 1), ("write", second.Id, 1)]), string.Join(' ', entries));
    }

    [Fact]
    public async Task An_application_that_is_ended_takes_what_was_granted_through_it_along()
    {
        var (ada, source) = await SettingAsync();
        foreach (var to in new[] { "person through an application", "application" })
        {
            var sharing = await GrantTests.ShareAsync(service, ada, to, rest => GrantTests.Offer("source", source, "read", rest));
            var (program, open) = (sharing.Reader.Client!.Value, await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read", $$""", "client_id": "{{sharing.Reader.Client}}" """)));
            await sharing.Reader.GetAsync($"sources/{source}");
            await service.DeliverAsync("identity.events", new AccountDeleted(program, DateTimeOffset.UtcNow));
            Assert.Equal(HttpStatusCode.NotFound, (await sharing.Reader.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
            foreach (var table in new[] { "grants", "source_access", "series_access where user_id <> @Id" })
                Assert.Equal((table, 0), (table, (await service.TruthAsync<int>(
                    $"select count(*)::int from {(table.Contains("where", StringComparison.Ordinal) ? $"{table} and series_id in (select series_id from series where user_id = @Id)" : $"{table} where {(table == "grants" ? "user_id" : "owner_id")} = @Id")}",
                    new { ada.Id })).Single()));
            // And nothing is accepted through it any more.
            var (_, late) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read", $$""", "client_id": "{{program}}" """));
            foreach (var code in new[] { open.Code, late })
                Assert.Equal(HttpStatusCode.NotFound, (await service.NewPerson().SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{code}}"}""")).Status);
            await ada.SendAsync(HttpMethod.Delete, $"grants/{(await ada.GetAsync("grants")).GetProperty("grants")[0].GetProperty("grant_id").GetGuid()}");
            await using var connection = new NpgsqlConnection(service.Database.Superuser);
            await connection.ExecuteAsync("delete from grants where user_id = @Id", new { ada.Id });
        }
    }

    [Theory]
    [InlineData("everything")]
    [InlineData("metric")]
    public async Task A_source_or_metric_that_comes_later_is_open_through_the_application_too(string opens)
    {
        var (ada, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, "application", rest => GrantTests.Offer(opens, source, "read", rest));
        var empty = await ada.SourceAsync("""{"name": "Empty", "kind": "k", "metrics": {}}""");
        await ada.SendAsync(HttpMethod.Put, $"sources/{source}/metrics/mood", """{"unit": "1"}""");
        foreach (var reader in sharing.Readers)
        {
            Assert.Equal(opens == "everything" ? HttpStatusCode.OK : HttpStatusCode.NotFound, (await reader.SendAsync(HttpMethod.Get, $"sources/{empty}")).Status);
            Assert.Equal(opens == "everything" ? 3 : 1, (await reader.GetAsync($"sources/{source}")).GetProperty("metrics").EnumerateObject().Count());
        }
    }

    [Fact]
    public async Task Whoever_the_database_does_not_know_reads_nothing_through_an_application()
    {
        var (ada, source) = await SettingAsync();
        var sharing = await GrantTests.ShareAsync(service, ada, "application", rest => GrantTests.Offer("everything", source, "admin", rest));
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        foreach (var (person, expected) in new[] { ("", 0), (Guid.NewGuid().ToString(), 2) })
        {
            await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
            await app.ExecuteAsync("select set_config('app.user_id', @person, true), set_config('app.client_id', @client, true), set_config('app.owner_id', @owner, true)",
                new { person, client = sharing.Reader.Client.ToString(), owner = ada.Id.ToString() }, transaction);
            Assert.Equal((person, expected), (person, await app.ExecuteScalarAsync<int>("select count(*)::int from readings", transaction: transaction)));
        }
        // What was set for one transaction is not there in the next one of the same connection.
        Assert.Equal(0, await app.ExecuteScalarAsync<int>("select cardinality(app_reader_ids())"));
    }

    private async Task<(Person Ada, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60), ("steps", 12))));
        return (ada, source);
    }
}
