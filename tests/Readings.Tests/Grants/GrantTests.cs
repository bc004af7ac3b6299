using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

public sealed class GrantTests(ReadingsService service)
{
    [Theory]
    [InlineData("everything")]
    [InlineData("source")]
    [InlineData("metric")]
    [InlineData("category")]
    public async Task What_was_accepted_can_be_read_until_it_is_revoked(string opens)
    {
        var (ada, bob, source) = await SharedAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        var (grant, code) = await OfferAsync(ada, Offer(opens, source, "read"));
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
        await AcceptAsync(bob, code);

        var metrics = (await bob.GetAsync($"sources/{source}")).GetProperty("metrics");
        Assert.Equal(opens is "everything" or "source" ? 2 : 1, metrics.EnumerateObject().Count());
        Assert.True(metrics.TryGetProperty("heart_rate", out _));
        Assert.Equal(60, (await bob.GetAsync($"sources/{source}/latest")).GetProperty("latest").GetProperty("heart_rate").GetProperty("value").GetDouble());
        Assert.Single((await bob.GetAsync($"sources/{source}/readings")).GetProperty("readings").EnumerateArray());
        Assert.Equal(HttpStatusCode.NotFound, (await service.NewPerson().SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
        var (status, problem) = await bob.SendAsync(HttpMethod.Post, $"sources/{source}/readings", Given.Rows(Given.Row(Given.Minute(2), ("heart_rate", 70))));
        Assert.Equal((HttpStatusCode.Forbidden, "access-too-low"), (status, problem.GetProperty("type").GetString()));

        Assert.Equal(HttpStatusCode.NoContent, (await ada.SendAsync(HttpMethod.Delete, $"grants/{grant}")).Status);
        foreach (var path in new[] { "", "/readings", "/latest", "/events", "/buckets?metric=heart_rate" })
            Assert.Equal((path, HttpStatusCode.NotFound), (path, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}{path}")).Status));
    }

    /// <summary>As if the grant's end had come: nothing runs at that moment, so no trigger may.</summary>
    internal static async Task LetTimePassAsync(ReadingsService service, Guid grant)
    {
        await using var connection = new NpgsqlConnection(service.Database.Superuser);
        await connection.ExecuteAsync(
            """
            set session_replication_role = replica;
            update grants set ends_at = now() - interval '1 second' where grant_id = @grant;
            update series_access set expires_at = now() - interval '1 second' where user_id = (select reader_id(grantee_id, client_id) from grants where grant_id = @grant);
            update source_access set expires_at = now() - interval '1 second' where user_id = (select reader_id(grantee_id, client_id) from grants where grant_id = @grant);
            update source_windows set expires_at = now() - interval '1 second' where user_id = (select reader_id(grantee_id, client_id) from grants where grant_id = @grant);
            update series_windows set expires_at = now() - interval '1 second' where user_id = (select reader_id(grantee_id, client_id) from grants where grant_id = @grant);
            set session_replication_role = origin;
            """, new { grant });
    }

    private async Task<(Person Ada, Person Bob, Guid Source)> SharedAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60), ("steps", 12))));
        return (ada, service.NewPerson(), source);
    }

    internal static string Offer(string opens, Guid source, string access, string rest = "") => opens switch
    {
        "everything" => $$"""{"opens": "everything", "access": "{{access}}"{{rest}}}""",
        "category" => $$"""{"opens": "category", "category": "heart", "access": "{{access}}"{{rest}}}""",
        "source" => $$"""{"opens": "source", "source_id": "{{source}}", "access": "{{access}}"{{rest}}}""",
        _ => $$"""{"opens": "metric", "source_id": "{{source}}", "metric": "heart_rate", "access": "{{access}}"{{rest}}}""",
    };

    internal static async Task<(Guid Grant, string Code)> OfferAsync(Person owner, string offer)
    {
        var (status, answer) = await owner.SendAsync(HttpMethod.Post, "grants", offer);
        Assert.True(status == HttpStatusCode.Created, answer.ToString());
        return (answer.GetProperty("grant").GetProperty("grant_id").GetGuid(), answer.GetProperty("code").GetString()!);
    }

    /// <summary>Those to whom a grant opens something, and others who come as close as can be.</summary>
    internal sealed record Sharing(Guid Grant, Person[] Readers, Person[] Strangers)
    {
        public Person Reader => Readers[0];
    }

    /// <summary>To whom a grant may be.</summary>
    internal static readonly string[] Recipients = ["person", "person through an application", "application", "application as itself"];

    /// <summary>Offered, and unless told otherwise accepted by whom it is for.</summary>
    internal static async Task<Sharing> ShareAsync(ReadingsService service, Person owner, string to, Func<string, string> offer, bool accept = true)
    {
        var (bob, carol, program, other) = (service.NewPerson(), service.NewPerson(), service.NewApplication(), service.NewApplication());
        Person[] everybody = [bob, bob.Through(program), bob.Through(other), carol, carol.Through(program), program, other];
        var (rest, readers) = to switch
        {
            "person" => ("", everybody[..3]),
            "person through an application" => ($$""", "client_id": "{{program.Id}}" """, [everybody[1]]),
            "application" => ($$""", "client_id": "{{program.Id}}", "grantee": "{{program.Id}}" """, [everybody[1], everybody[4], program]),
            _ => ($$""", "grantee": "{{program.Id}}" """, new[] { program }),
        };
        var (status, answer) = await owner.SendAsync(HttpMethod.Post, "grants", offer(rest));
        Assert.True(status == HttpStatusCode.Created, answer.ToString());
        var grant = answer.GetProperty("grant").GetProperty("grant_id").GetGuid();
        if (accept && answer.GetProperty("code").GetString() is { } code) await AcceptAsync(bob, code);
        else if (accept) Assert.Equal(HttpStatusCode.OK, (await program.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"grant_id": "{{grant}}"}""")).Status);
        return new(grant, readers, [.. everybody.Except(readers)]);
    }

    internal static async Task<JsonElement> AcceptAsync(Person grantee, string code)
    {
        var (status, answer) = await grantee.SendAsync(HttpMethod.Post, "grants/accept", $$"""{"code": "{{code}}"}""");
        Assert.True(status == HttpStatusCode.OK, answer.ToString());
        return answer;
    }
}
