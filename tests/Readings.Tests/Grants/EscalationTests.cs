using System.Net;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

/// <summary>What a grantee, a guesser or an impatient admin tries.</summary>
public sealed class EscalationTests(ReadingsService service)
{
    [Fact]
    public async Task A_code_is_good_for_one_person_and_never_for_its_giver()
    {
        var (ada, bob, source) = await SettingAsync();
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await RefusedAsync(ada, code);
        var accepted = await GrantTests.AcceptAsync(bob, code);
        Assert.Equal(("accepted", bob.Id), (accepted.GetProperty("state").GetString(), accepted.GetProperty("grantee").GetGuid()));
        Assert.Equal(accepted.GetRawText(), (await GrantTests.AcceptAsync(bob, code)).GetRawText());
        await RefusedAsync(service.NewPerson(), code);
        Assert.Equal(1, Assert.Single(await service.TruthAsync<int>("select count(*)::int from grants where grant_id = @grant", new { grant })));

        await bob.SendAsync(HttpMethod.Delete, $"grants/{grant}");
        await RefusedAsync(bob, code);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
    }

    [Fact]
    public async Task What_is_no_valid_code_is_refused_alike_whatever_the_reason()
    {
        var (ada, bob, source) = await SettingAsync();
        var (expired, expiredCode) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await SuperuserAsync("update grants set code_expires_at = now() - interval '1 second' where grant_id = @expired", new { expired });
        var (ended, endedCode) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await ada.SendAsync(HttpMethod.Delete, $"grants/{ended}");
        var (declined, declinedCode) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Post, $"grants/{declined}/decline", "{}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await bob.SendAsync(HttpMethod.Post, $"grants/{declined}/decline", $$"""{"code": "{{declinedCode}}"}""")).Status);
        var guess = "orgi_" + new string('A', 43);
        foreach (var code in new[] { expiredCode, endedCode, declinedCode, guess, "orgi_", "' or 1=1", expiredCode.ToUpperInvariant() }) await RefusedAsync(bob, code);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        // Only a hash is kept, and not even that is shown to the service.
        Assert.Equal(0, Assert.Single(await service.TruthAsync<int>("select count(*)::int from grants t where row_to_json(t)::text like '%' || @code || '%'", new { code = endedCode })));
        await using var app = new NpgsqlConnection(service.Database.App);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => app.ExecuteAsync("select code_hash from grants"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task An_offer_that_names_somebody_is_theirs_alone_and_needs_no_code()
    {
        var (ada, bob, source) = await SettingAsync();
        var (status, answer) = await ada.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("source", source, "read", $$""", "grantee": "{{bob.Id}}" """));
        Assert.Equal((HttpStatusCode.Created, System.Text.Json.JsonValueKind.Null), (status, answer.GetProperty("code").ValueKind));
        var grant = answer.GetProperty("grant").GetProperty("grant_id").GetGuid();
        Assert.Equal("offered", Assert.Single((await bob.GetAsync("grants")).GetProperty("grants").EnumerateArray()).GetProperty("state").GetString());
        var carol = service.NewPerson();
        Assert.Equal(HttpStatusCode.NotFound, (await carol.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"grant_id": "{{grant}}"}""")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await carol.SendAsync(HttpMethod.Post, $"grants/{grant}/decline", "{}")).Status);
        Assert.Equal(HttpStatusCode.OK, (await bob.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"grant_id": "{{grant}}"}""")).Status);
        await bob.GetAsync($"sources/{source}");
    }

    [Fact]
    public async Task A_grantee_changes_no_grant_by_any_statement()
    {
        var (ada, bob, source) = await SettingAsync();
        var (grant, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "read"));
        await GrantTests.AcceptAsync(bob, code);
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        foreach (var sql in new[]
        {
            "with x as (update grants set access = 3 returning grant_id) select count(*) from x",
            "with x as (update grants set ends_at = 'infinity' where grant_id = @grant returning grant_id) select count(*) from x",
            "with x as (update source_access set access = 3 returning 1) select count(*) from x",
            "with x as (update series_access set access = 3 returning 1) select count(*) from x",
            "with x as (insert into series_access (user_id, series_id, access) select @bob, series_id, 3 from series returning 1) select count(*) from x",
            "with x as (insert into source_access values (@bob, @ada, @source, 3, 'infinity') returning 1) select count(*) from x",
            "with x as (insert into public_looks values (@bob, @ada, @source, 'infinity') returning 1) select count(*) from x",
            "with x as (delete from access_log returning 1) select count(*) from x",
            "with x as (delete from grants where grant_id = @grant returning 1) select count(*) from x",
            "with x as (insert into grants (user_id, grant_id, granted_by, grantee_id, opens, access, state) values (@ada, gen_random_uuid(), @ada, @bob, 'everything', 3, 'offered') returning 1) select count(*) from x",
            "with x as (insert into grants (user_id, grant_id, granted_by, grantee_id, opens, access, state) values (@ada, gen_random_uuid(), @bob, @bob, 'everything', 3, 'accepted') returning 1) select count(*) from x",
            "with x as (insert into grants (user_id, grant_id, opens, access) values (@ada, gen_random_uuid(), 'everything', 1) returning 1) select count(*) from x",
            "select count(refresh_access(@ada, @bob, null))",
        })
            foreach (var owner in new[] { "", ada.Id.ToString() })
            {
                await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
                string? outcome;
                try
                {
                    await app.ExecuteAsync("select set_config('app.user_id', @who, true), set_config('app.owner_id', @owner, true)", new { who = bob.Id.ToString(), owner }, transaction);
                    outcome = (await app.ExecuteScalarAsync<long>(sql, new { grant, bob = bob.Id, ada = ada.Id, source }, transaction)).ToString();
                }
                catch (PostgresException e)
                {
                    outcome = e.SqlState;
                }
                Assert.True(outcome is "0" or PostgresErrorCodes.InsufficientPrivilege, $"{sql}: {outcome}");
            }
    }

    [Theory]
    [InlineData("read", false)]
    [InlineData("write", false)]
    [InlineData("admin", true)]
    public async Task Only_an_admin_grants_on_and_never_more_than_they_have(string access, bool may)
    {
        var (ada, bob, source) = await SettingAsync();
        var other = await ada.SourceAsync(Person.Watch);
        var carol = service.NewPerson();
        var (first, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, access, """, "ends_at": "2099-01-01T00:00:00Z" """));
        await GrantTests.AcceptAsync(bob, code);
        foreach (var (offer, isWithin) in new[]
        {
            (GrantTests.Offer("everything", source, "read", """, "ends_at": "2098-01-01T00:00:00Z" """), false),
            (GrantTests.Offer("category", source, "read", """, "ends_at": "2098-01-01T00:00:00Z" """), false),
            (GrantTests.Offer("source", other, "read", """, "ends_at": "2098-01-01T00:00:00Z" """), false),
            (GrantTests.Offer("source", source, "read"), false),
            (GrantTests.Offer("source", source, "read", """, "ends_at": "2099-01-01T00:00:01Z" """), false),
            (GrantTests.Offer("metric", source, "write", """, "ends_at": "2098-01-01T00:00:00Z" """), true),
            (GrantTests.Offer("source", source, "admin", """, "ends_at": "2099-01-01T00:00:00Z" """), true),
        })
        {
            var (status, answer) = await bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", offer);
            Assert.True(may && isWithin ? status == HttpStatusCode.Created : status is HttpStatusCode.Forbidden or HttpStatusCode.NotFound, $"{offer} {answer}");
            if (status == HttpStatusCode.Created) code = answer.GetProperty("code").GetString()!;
        }
        if (!may) return;

        await GrantTests.AcceptAsync(carol, code);
        await carol.GetAsync($"sources/{source}");
        // And carol's own goes on from there.
        var (deep, answered) = await carol.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("metric", source, "read", """, "ends_at": "2098-01-01T00:00:00Z" """));
        Assert.Equal(HttpStatusCode.Created, deep);
        var dan = service.NewPerson();
        await GrantTests.AcceptAsync(dan, answered.GetProperty("code").GetString()!);
        await dan.GetAsync($"sources/{source}/readings");
        // What the first one loses, all lose, at once.
        await ada.SendAsync(HttpMethod.Delete, $"grants/{first}");
        foreach (var person in new[] { bob, carol, dan })
            Assert.Equal(HttpStatusCode.NotFound, (await person.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
    }

    [Fact]
    public async Task A_metric_that_claims_to_be_stored_in_another_series_opens_that_series_to_nobody()
    {
        var (ada, bob, source) = await SettingAsync();
        var steps = (await service.TruthAsync<int>("select series_id from metrics where source_id = @source and metric = 'steps'", new { source })).Single();
        var own = await bob.SourceAsync(Person.Watch);
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        await using (var transaction = await app.BeginTransactionAsync(ReadingsService.Ct))
        {
            await app.ExecuteAsync("select set_config('app.user_id', @Id::text, true)", new { bob.Id }, transaction);
            await app.ExecuteAsync("insert into metrics (source_id, metric, series_id, slot, unit, type_code, position) values (@own, 'claim', @steps, 2, '/min', 'heart_rate', 9)", new { own, steps }, transaction);
            await transaction.CommitAsync(ReadingsService.Ct);
        }
        var (_, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("category", source, "read"));
        await GrantTests.AcceptAsync(bob, code);
        Assert.Equal(["heart_rate"], (await bob.GetAsync($"sources/{source}")).GetProperty("metrics").EnumerateObject().Select(metric => metric.Name));
        Assert.Empty(await service.TruthAsync<int>("select 1 from series_access where user_id = @Id and series_id = @steps", new { bob.Id, steps }));
    }

    [Fact]
    public async Task A_grant_that_rests_on_one_being_revoked_never_outlives_it()
    {
        var (ada, bob, source) = await SettingAsync();
        for (var round = 0; round < 10; round++)
        {
            var (first, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "admin"));
            await GrantTests.AcceptAsync(bob, code);
            var offering = bob.SendAsync(HttpMethod.Post, $"grants?owner={ada.Id}", GrantTests.Offer("source", source, "read"));
            var ending = ada.SendAsync(HttpMethod.Delete, $"grants/{first}");
            await Task.WhenAll(offering, ending);
            var (status, answer) = await offering;
            if (status != HttpStatusCode.Created) continue;
            await RefusedAsync(service.NewPerson(), answer.GetProperty("code").GetString()!);
        }
        Assert.Empty(await service.TruthAsync<int>("select 1 from source_access where source_id = @source", new { source }));
        Assert.Empty(await service.TruthAsync<int>("select 1 from grants where user_id = @Id and state in ('offered', 'accepted')", new { ada.Id }));
    }

    [Fact]
    public async Task An_admin_neither_publishes_nor_deletes_a_source()
    {
        var (ada, bob, source) = await SettingAsync();
        var (_, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("everything", source, "admin"));
        await GrantTests.AcceptAsync(bob, code);
        var (status, problem) = await bob.SendAsync(HttpMethod.Patch, $"sources/{source}", """{"is_public": true}""", "application/json", ("If-Match", "*"));
        Assert.Equal((HttpStatusCode.Forbidden, "owner-decides-public"), (status, problem.GetProperty("type").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Delete, $"sources/{source}?owner={ada.Id}")).Status);
        // A declaration under the same id makes a source of his own, and his own comes first from then on.
        Assert.Equal(HttpStatusCode.Created, (await bob.SendAsync(HttpMethod.Put, $"sources/{source}?owner={ada.Id}", """{"name": "Mine", "kind": "k", "metrics": {"heart_rate": "bpm"}}""")).Status);
        Assert.Equal("Mine", (await bob.GetAsync($"sources/{source}")).GetProperty("name").GetString());
        Assert.Equal("Watch", (await bob.GetAsync($"sources/{source}?owner={ada.Id}")).GetProperty("name").GetString());
        Assert.Empty((await bob.GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
        // He deletes his, and hers is still there.
        Assert.Equal(HttpStatusCode.NoContent, (await bob.SendAsync(HttpMethod.Delete, $"sources/{source}")).Status);
        Assert.Single((await ada.GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
    }

    [Fact]
    public async Task Grants_are_for_people_who_signed_in_and_not_for_keys_and_applications()
    {
        var (_, bob, source) = await SettingAsync();
        var claims = Support.TestIdentity.Claims(bob.Id);
        claims.Remove("sid");
        using var without = service.WithToken(service.Identity.Sign(service.Identity.Header(), claims));
        foreach (var (method, path) in new[] { ("GET", "grants"), ("POST", "grants"), ("POST", "grants/accept"), ("DELETE", $"grants/{source}"), ("POST", $"grants/{source}/decline"), ("GET", "access-log") })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), $"/readings/v1/{path}");
            if (method == "POST") request.Content = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
            using var response = await without.SendAsync(request, ReadingsService.Ct);
            Assert.Equal((path, HttpStatusCode.Forbidden), (path, response.StatusCode));
        }
    }

    [Fact]
    public async Task A_program_that_acts_as_itself_accepts_what_names_its_id_and_no_code_and_a_key_that_acts_as_its_person_accepts_nothing()
    {
        var (ada, scale, source) = await SettingAsync();
        var claims = Support.TestIdentity.Claims(scale.Id);
        claims.Remove("sid");
        claims["client_id"] = scale.Id.ToString();
        using var key = service.WithToken(service.Identity.Sign(service.Identity.Header(), claims));
        async Task<(HttpStatusCode, string)> AcceptAsync(string body)
        {
            using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
            using var response = await key.PostAsync("/readings/v1/grants/accept", content, ReadingsService.Ct);
            return (response.StatusCode, await response.Content.ReadAsStringAsync(ReadingsService.Ct));
        }
        var (open, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "admin"));
        Assert.Equal(HttpStatusCode.Forbidden, (await AcceptAsync($$"""{"code": "{{code}}"}""")).Item1);
        using (var declining = new StringContent($$"""{"code": "{{code}}"}""", System.Text.Encoding.UTF8, "application/json"))
        using (var declined = await key.PostAsync($"/readings/v1/grants/{open}/decline", declining, ReadingsService.Ct)) Assert.Equal(HttpStatusCode.Forbidden, declined.StatusCode);
        var (_, other) = await ada.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("source", source, "admin", $$""", "grantee": "{{Guid.NewGuid()}}" """));
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync($$"""{"grant_id": "{{other.GetProperty("grant").GetProperty("grant_id").GetGuid()}}"}""")).Item1);

        var (_, offered) = await ada.SendAsync(HttpMethod.Post, "grants", GrantTests.Offer("metric", source, "write", $$""", "grantee": "{{scale.Id}}" """));
        claims["client_id"] = "api-key:k3J9x0QmZ2aB";
        using var hers = service.WithToken(service.Identity.Sign(service.Identity.Header(), claims));
        using (var content = new StringContent($$"""{"grant_id": "{{offered.GetProperty("grant").GetProperty("grant_id").GetGuid()}}"}""", System.Text.Encoding.UTF8, "application/json"))
        using (var refused = await hers.PostAsync("/readings/v1/grants/accept", content, ReadingsService.Ct)) Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        var (status, answer) = await AcceptAsync($$"""{"grant_id": "{{offered.GetProperty("grant").GetProperty("grant_id").GetGuid()}}"}""");
        Assert.True(status == HttpStatusCode.OK, answer);
        using var row = new StringContent(Given.Rows(Given.Row(Given.Minute(4), ("heart_rate", 64))), System.Text.Encoding.UTF8, "application/json");
        using var stored = await key.PostAsync($"/readings/v1/sources/{source}/readings", row, ReadingsService.Ct);
        Assert.Equal(HttpStatusCode.OK, stored.StatusCode);
        Assert.Equal(64, (await ada.GetAsync($"sources/{source}/latest")).GetProperty("latest").GetProperty("heart_rate").GetProperty("value").GetDouble());
    }

    private static async Task RefusedAsync(Person person, string code)
    {
        var (status, problem) = await person.SendAsync(HttpMethod.Post, "grants/accept", System.Text.Json.JsonSerializer.Serialize(new { code }));
        Assert.Equal((HttpStatusCode.NotFound, "invitation-not-valid"), (status, problem.GetProperty("type").GetString()));
    }

    private async Task SuperuserAsync(string sql, object args)
    {
        await using var connection = new NpgsqlConnection(service.Database.Superuser);
        await connection.ExecuteAsync(sql, args);
    }

    private async Task<(Person Ada, Person Bob, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60), ("steps", 12))));
        return (ada, service.NewPerson(), source);
    }
}
