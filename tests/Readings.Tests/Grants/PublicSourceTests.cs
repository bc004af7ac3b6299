using System.Net;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

public sealed class PublicSourceTests(ReadingsService service)
{
    private const string Weather = """{"name": "Weather", "kind": "station", "is_public": true, "metrics": {"temperature": "Cel"}}""";

    [Fact]
    public async Task What_is_public_is_read_by_anyone_who_is_signed_in_and_says_whose_it_is_and_written_by_nobody()
    {
        var (ada, source) = await SettingAsync();
        foreach (var somebody in new[] { service.NewPerson(), service.NewPerson() })
        {
            Assert.Equal(HttpStatusCode.NotFound, (await somebody.SendAsync(HttpMethod.Get, $"sources/{source}/readings")).Status);
            Assert.Equal(HttpStatusCode.NotFound, (await somebody.SendAsync(HttpMethod.Get, $"sources/{source}?owner={Guid.NewGuid()}")).Status);
            foreach (var path in new[] { "", "/readings", "/latest", "/buckets", "/events" })
                Assert.Equal((path, HttpStatusCode.OK), (path, (await somebody.SendAsync(HttpMethod.Get, $"sources/{source}{path}?owner={ada.Id}")).Status));
            Assert.Equal(HttpStatusCode.Forbidden, (await somebody.SendAsync(HttpMethod.Post, $"sources/{source}/readings?owner={ada.Id}",
                Given.Rows(Given.Row(Given.Minute(2), ("temperature", 1))))).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await somebody.SendAsync(HttpMethod.Patch, $"sources/{source}?owner={ada.Id}", "{}", "application/json", ("If-Match", "*"))).Status);
            Assert.Empty((await somebody.GetAsync("sources")).GetProperty("sources").EnumerateArray());
        }
        using var anonymous = service.Anonymous();
        using var refused = await anonymous.GetAsync($"/readings/v1/sources/{source}?owner={ada.Id}", ReadingsService.Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Empty((await ada.GetAsync("access-log")).GetProperty("entries").EnumerateArray());
    }

    [Fact]
    public async Task What_is_not_public_or_not_any_more_is_shown_to_nobody()
    {
        var (ada, source) = await SettingAsync();
        var other = await ada.SourceAsync(Person.Watch);
        var bob = service.NewPerson();
        await bob.GetAsync($"sources/{source}/readings?owner={ada.Id}");
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{other}/readings?owner={ada.Id}")).Status);
        Assert.Single((await bob.GetAsync($"sources?owner={ada.Id}")).GetProperty("sources").EnumerateArray());
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Patch, $"sources/{source}", """{"is_public": false}""", "application/json", ("If-Match", "*"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}/readings?owner={ada.Id}")).Status);
        Assert.Empty(await service.TruthAsync<int>("select 1 from series_access where user_id = @Id", new { bob.Id }));
    }

    [Fact]
    public async Task A_look_opens_for_an_hour_and_a_metric_that_is_added_meanwhile_too_and_old_looks_leave_nothing()
    {
        var (ada, source) = await SettingAsync();
        var bob = service.NewPerson();
        await bob.GetAsync($"sources/{source}?owner={ada.Id}");
        await ada.SendAsync(HttpMethod.Put, $"sources/{source}/metrics/wind", """{"unit": "m/s"}""");
        Assert.Equal(2, (await bob.GetAsync($"sources/{source}?owner={ada.Id}")).GetProperty("metrics").EnumerateObject().Count());
        await using var connection = new NpgsqlConnection(service.Database.Superuser);
        await connection.ExecuteAsync(
            """
            update public_looks set expires_at = now() - interval '1 second' where user_id = @Id;
            update series_access set expires_at = now() - interval '1 second' where user_id = @Id;
            update source_access set expires_at = now() - interval '1 second' where user_id = @Id;
            """, new { bob.Id });
        Assert.Equal(HttpStatusCode.NotFound, (await bob.SendAsync(HttpMethod.Get, $"sources/{source}")).Status);
        await service.NewPerson().GetAsync($"sources/{source}?owner={ada.Id}");
        Assert.Empty(await service.TruthAsync<int>(
            "select 1 from series_access where user_id = @Id union all select 2 from source_access where user_id = @Id union all select 3 from public_looks where user_id = @Id", new { bob.Id }));
        await bob.GetAsync($"sources/{source}/readings?owner={ada.Id}");
    }

    private async Task<(Person Ada, Guid Source)> SettingAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(Weather);
        await ada.RecordAsync(source, Given.Rows(Given.Row(Given.Minute(1), ("temperature", 12))));
        return (ada, source);
    }
}
