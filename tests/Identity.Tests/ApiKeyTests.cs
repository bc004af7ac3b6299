using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.Chassis;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class ApiKeyTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_key_is_shown_once_says_what_it_opens_and_is_listed_without_itself()
    {
        var ada = await Person.SignedInAsync(service);
        var made = await MadeAsync(ada, new { name = "Scale", scopes = new[] { "readings:write", "readings:write", "sync:read" } });
        var (id, key) = (made.GetProperty("key_id").GetString()!, made.GetProperty("key").GetString()!);
        Assert.Matches($"^or_live_{id}_[0-9A-Za-z]{{43}}[0-9a-f]{{8}}$", key);

        var said = await IntrospectAsync(key);
        Assert.Equal((true, ada.AccountId, id, "readings:write sync:read"), (said.Active, said.Sub, said.KeyId, said.Scope));
        var listed = Assert.Single(await ListAsync(ada));
        Assert.Equal((id, "Scale"), (listed.GetProperty("key_id").GetString(), listed.GetProperty("name").GetString()));
        Assert.InRange(listed.GetProperty("last_used_at").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.DoesNotContain(key, JsonSerializer.Serialize(listed), StringComparison.Ordinal);
        var stored = Assert.Single(await service.SqlAsync<string>("select to_jsonb(k)::text from api_keys k where user_id = @AccountId", new { ada.AccountId }));
        Assert.DoesNotContain(key[^51..^8], stored, StringComparison.Ordinal);
        Assert.Contains((await EntriesAsync(ada)), action => action == "api-key-made");
    }

    [Fact]
    public async Task A_key_that_was_ended_expired_or_whose_person_is_disabled_or_gone_opens_nothing()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        var made = await MadeAsync(ada, new { name = "a", scopes = new[] { "readings:read" } });
        var (id, ended) = (made.GetProperty("key_id").GetString()!, made.GetProperty("key").GetString()!);
        await bob.Http.DeleteAsync($"/identity/v1/me/api-keys/{id}", Ct).RefusedAsync(NotFound, "api-key-not-found");
        await bob.Http.PostAsJsonAsync($"/identity/v1/me/api-keys/{id}/rotate", new { overlap_seconds = 0 }, Ct).RefusedAsync(NotFound, "api-key-not-found");
        Assert.True((await IntrospectAsync(ended)).Active);
        Assert.Equal(NoContent, (await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{id}", Ct)).StatusCode);
        Assert.False((await IntrospectAsync(ended)).Active);
        await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{id}", Ct).RefusedAsync(NotFound, "api-key-not-found");

        var expired = (await MadeAsync(ada, new { name = "b", scopes = new[] { "readings:read" }, expires_at = DateTimeOffset.UtcNow.AddHours(1) })).GetProperty("key").GetString()!;
        Assert.True((await IntrospectAsync(expired)).Active);
        await service.SqlAsync("update api_keys set expires_at = now() - interval '1 second' where user_id = @AccountId", new { ada.AccountId });
        Assert.False((await IntrospectAsync(expired)).Active);

        var disabled = (await MadeAsync(bob, new { name = "c", scopes = new[] { "readings:read" } })).GetProperty("key").GetString()!;
        await service.SqlAsync("update accounts set disabled_at = now() where user_id = @AccountId", new { bob.AccountId });
        Assert.Equal(new Chassis.ApiKeys.Introspection(false, null, null, null, null), await IntrospectAsync(disabled));
        await service.SqlAsync("delete from accounts where user_id = @AccountId", new { bob.AccountId });
        Assert.False((await IntrospectAsync(disabled)).Active);
    }

    [Fact]
    public async Task A_rotated_key_stays_good_for_its_overlap_and_no_second_rotation_puts_that_off()
    {
        var ada = await Person.SignedInAsync(service);
        var old = await MadeAsync(ada, new { name = "a", scopes = new[] { "readings:read" } });
        var id = old.GetProperty("key_id").GetString()!;
        var rotated = await RotatedAsync(ada, id, 3600);
        Assert.NotEqual(old.GetProperty("key").GetString(), rotated.GetProperty("key").GetString());
        Assert.True((await IntrospectAsync(old.GetProperty("key").GetString()!)).Active);
        Assert.True((await IntrospectAsync(rotated.GetProperty("key").GetString()!)).Active);
        var second = await RotatedAsync(ada, id, 86_400);
        // What takes its place a second time is good for as long as it was made for, and not for the overlap.
        Assert.Equal(JsonValueKind.Null, second.GetProperty("expires_at").ValueKind);
        var end = (await ListAsync(ada)).Single(key => key.GetProperty("key_id").GetString() == id).GetProperty("expires_at").GetDateTimeOffset();
        Assert.InRange(end, DateTimeOffset.UtcNow.AddMinutes(58), DateTimeOffset.UtcNow.AddMinutes(61));
        await RotatedAsync(ada, rotated.GetProperty("key_id").GetString()!, 0);
        Assert.False((await IntrospectAsync(rotated.GetProperty("key").GetString()!)).Active);
        var until = new DateTimeOffset(DateTime.UtcNow.Date.AddYears(1), TimeSpan.Zero);
        var limited = (await MadeAsync(ada, new { name = "b", scopes = new[] { "readings:read" }, expires_at = until })).GetProperty("key_id").GetString()!;
        for (var times = 0; times < 3; times++) Assert.Equal(until, (await RotatedAsync(ada, limited, 3600)).GetProperty("expires_at").GetDateTimeOffset());
        foreach (var overlap in new[] { -1, 2_592_001 })
            await ada.Http.PostAsJsonAsync($"/identity/v1/me/api-keys/{id}/rotate", new { overlap_seconds = overlap }, Ct).RefusedAsync(BadRequest, "validation-failed");
    }

    [Fact]
    public async Task What_is_no_key_is_refused_by_the_field_and_there_are_fifty_at_most_however_many_ask_at_once()
    {
        var ada = await Person.SignedInAsync(service);
        foreach (var (body, pointer) in new (object, string)[]
        {
            (new { scopes = new[] { "readings:read" } }, "/name"), (new { name = new string('x', 101), scopes = new[] { "readings:read" } }, "/name"),
            (new { name = "a" }, "/scopes"), (new { name = "a", scopes = Array.Empty<string>() }, "/scopes"), (new { name = "a", scopes = new[] { "openid" } }, "/scopes"),
            (new { name = "a", scopes = new[] { "readings:read readings:write" } }, "/scopes"), (new { name = "a", scopes = new[] { "readings:read" }, expires_at = "2020-01-01T00:00:00Z" }, "/expires_at"),
        })
            Assert.Equal(pointer, Assert.Single((await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", body, Ct).RefusedAsync(BadRequest, "validation-failed")).Errors!).Pointer);
        var answers = await Task.WhenAll(Enumerable.Range(0, 54).Select(i => ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = $"{i}", scopes = new[] { "readings:read" } }, Ct)));
        Assert.Equal(50, answers.Count(answer => answer.StatusCode == Created));
        await Task.FromResult(answers.First(answer => answer.StatusCode != Created)).RefusedAsync(Conflict, "too-many-keys");
        Assert.Equal(50, (await ListAsync(ada)).Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("or_")]
    [InlineData("or_live_abcdefghijkl_0123456789012345678901234567890123456789012deadbeef")]
    public async Task What_was_made_up_is_not_active(string key)
    {
        using var answer = await service.PostAsync("api-keys/introspect", new { api_key = key });
        if (answer.StatusCode == OK) Assert.False((await answer.JsonAsync()).GetProperty("active").GetBoolean());
        else Assert.Equal(BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task A_key_can_act_as_itself_and_is_forgotten_with_what_it_stored_when_it_ends()
    {
        var ada = await Person.SignedInAsync(service);
        var made = await MadeAsync(ada, new { name = "Scale", scopes = new[] { "readings:write" }, acts_as_itself = true });
        var ownId = made.GetProperty("own_id").GetGuid();
        Assert.NotEqual(ada.AccountId, ownId);
        Assert.True((await IntrospectAsync(made.GetProperty("key").GetString()!)).ActsAsItself);
        Assert.Equal((true, ownId), ((await IntrospectAsync(made.GetProperty("key").GetString()!)).Active, (await IntrospectAsync(made.GetProperty("key").GetString()!)).Sub));
        using var rotated = await ada.Http.PostAsJsonAsync($"/identity/v1/me/api-keys/{made.GetProperty("key_id").GetString()}/rotate", new { overlap_seconds = 60 }, Ct);
        var next = await rotated.JsonAsync();
        Assert.Equal(ownId, next.GetProperty("own_id").GetGuid());
        async Task<int> ForgottenAsync() => (await service.SqlAsync<int>("select count(*)::int from kept.events where event_type = 'account.deleted.v1' and subject = @ownId::text", new { ownId })).Single();
        (await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{made.GetProperty("key_id").GetString()}", Ct)).EnsureSuccessStatusCode();
        Assert.Equal(0, await ForgottenAsync());
        (await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{next.GetProperty("key_id").GetString()}", Ct)).EnsureSuccessStatusCode();
        Assert.Equal(1, await ForgottenAsync());
        var orphan = (await MadeAsync(ada, new { name = "Scale", scopes = new[] { "readings:write" }, acts_as_itself = true })).GetProperty("own_id").GetGuid();
        Assert.Equal(NoContent, (await ada.DeleteAccountAsync(ada.Password)).StatusCode);
        Assert.Single(await service.SqlAsync<string>("select subject from kept.events where event_type = 'account.deleted.v1' and subject = @orphan::text", new { orphan }));
    }

    [Fact]
    public async Task A_key_cannot_change_who_its_person_is()
    {
        var ada = await Person.SignedInAsync(service);
        var key = (await MadeAsync(ada, new { name = "a", scopes = new[] { "readings:read", "readings:write", "sync:read", "sync:write" } })).GetProperty("key").GetString()!;
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach (var (method, route) in service.Routes().Where(route => route.Route.Metadata.GetMetadata<Microsoft.AspNetCore.Authorization.IAuthorizeData>() is not null))
        {
            if (route.RoutePattern.RawText!.EndsWith("/userinfo", StringComparison.Ordinal)) continue;       // asks for a scope that no key has
            using var request = new HttpRequestMessage(new HttpMethod(method), route.PathTo());
            if (method != "GET") request.Content = JsonContent.Create(new { name = "x", scopes = new[] { "readings:read" }, password = ada.Password, current_password = ada.Password, new_password = "Not-for-any-log-3", code = "000000" });
            await http.SendAsync(request, Ct).RefusedAsync(Forbidden, "login-required");
        }
        Assert.Single(await ListAsync(ada));
    }

    private static async Task<JsonElement> MadeAsync(Person person, object wanted)
    {
        using var response = await person.Http.PostAsJsonAsync("/identity/v1/me/api-keys", wanted, Ct);
        Assert.Equal(Created, response.StatusCode);
        Assert.True(response.Headers.CacheControl?.NoStore);
        return await response.JsonAsync();
    }

    private static async Task<JsonElement> RotatedAsync(Person person, string id, int overlap)
    {
        using var response = await person.Http.PostAsJsonAsync($"/identity/v1/me/api-keys/{id}/rotate", new { overlap_seconds = overlap }, Ct);
        Assert.Equal(Created, response.StatusCode);
        return await response.JsonAsync();
    }

    private static async Task<IReadOnlyList<JsonElement>> ListAsync(Person person) =>
        [.. (await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/api-keys", Ct)).GetProperty("api_keys").EnumerateArray()];

    private static async Task<IReadOnlyList<string?>> EntriesAsync(Person person) =>
        [.. (await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/audit", Ct)).GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("action").GetString())];

    private async Task<Chassis.ApiKeys.Introspection> IntrospectAsync(string key)
    {
        using var response = await service.PostAsync("api-keys/introspect", new { api_key = key });
        Assert.Equal(OK, response.StatusCode);
        return (await response.Content.ReadFromJsonAsync<Chassis.ApiKeys.Introspection>(Json.Options, Ct))!;
    }
}
