using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>A gadget that cannot sign in: its key at the services, as it can send it, until it is ended.</summary>
public sealed class ApiKeyTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gadget_writes_with_its_key_sent_as_it_can_and_no_more_than_it_may()
    {
        var ada = await platform.SignUpAsync();
        var source = Guid.CreateVersion7();
        (await ada.Http.PutAsJsonAsync($"/readings/v1/sources/{source}", new { name = "Scale", kind = "scale", metrics = new { weight = new { unit = "kg", type = "weight" } } }, Ct)).EnsureSuccessStatusCode();
        var key = (await MadeAsync(ada, "readings:write")).GetProperty("key").GetString()!;
        (string Name, string Value)[] forms =
        [
            ("Authorization", $"Bearer {key}"), ("Authorization", $"Token {key}"), ("Authorization", $"token {key}"), ("X-API-Key", key),
            ("Authorization", $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"scale:{key}"))}"), ("Authorization", $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($":{key}"))}"),
        ];
        foreach (var ((name, value), minute) in forms.Select((form, minute) => (form, minute)))
        {
            using var http = platform.Anonymous();
            http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
            using var stored = await http.PostAsJsonAsync($"/readings/v1/sources/{source}/readings", new { readings = new[] { new { at = $"2026-03-29T08:{minute:00}:00+02:00", values = new { weight = 71.5 } } } }, Ct);
            Assert.True(stored.StatusCode == HttpStatusCode.OK, $"{name} {minute}: {await stored.Content.ReadAsStringAsync(Ct)}");
            Assert.Equal(1, (await stored.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("stored").GetInt32());
            // What its scope does not say it does not open, anywhere.
            foreach (var path in new[] { $"/readings/v1/sources/{source}/latest?metric=weight", "/readings/v1/sources", "/sync/v1/imports", "/identity/v1/me", "/identity/v1/me/api-keys" })
                Assert.Equal(HttpStatusCode.Forbidden, (await http.GetAsync(path, Ct)).StatusCode);
        }
        var wrong = key[..^1] + (key[^1] == '0' ? '1' : '0');
        foreach (var bad in new[] { wrong, "or_", key + "0" })
        {
            using var http = platform.Anonymous();
            http.DefaultRequestHeaders.TryAddWithoutValidation("X-API-Key", bad);
            using var refused = await http.GetAsync("/readings/v1/sources", Ct);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.DoesNotContain(bad + "\"", await refused.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        }
        Assert.All(platform.Services.Values, service => Assert.DoesNotContain(service.Lines, line => line.Contains("or_live_", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_key_that_was_ended_soon_opens_nothing_in_any_service()
    {
        var ada = await platform.SignUpAsync();
        var made = await MadeAsync(ada, "readings:read", "sync:read");
        using var gadget = platform.Anonymous();
        gadget.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", made.GetProperty("key").GetString());
        string[] paths = ["/readings/v1/sources", "/sync/v1/imports"];
        foreach (var path in paths) Assert.Equal(HttpStatusCode.OK, (await gadget.GetAsync(path, Ct)).StatusCode);

        (await ada.Http.DeleteAsync($"/identity/v1/me/api-keys/{made.GetProperty("key_id").GetString()}", Ct)).EnsureSuccessStatusCode();
        // Asked for over and over, so that nothing is fresh because nobody asked.
        foreach (var path in paths) await PersonTests.UntilAsync(async () => (await gadget.GetAsync(path, Ct)).StatusCode == HttpStatusCode.Unauthorized, 20);
    }

    [Fact]
    public async Task While_identity_is_away_a_key_is_put_off_and_not_refused()
    {
        var ada = await platform.SignUpAsync();
        var made = await MadeAsync(ada, "readings:read");
        using var gadget = platform.Anonymous();
        gadget.DefaultRequestHeaders.Add("X-API-Key", made.GetProperty("key").GetString());
        await platform.Services["identity"].KillAsync();
        try
        {
            using var answer = await gadget.GetAsync("/readings/v1/sources", Ct);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        }
        finally
        {
            await platform.Services["identity"].StartAsync();
        }
        await PersonTests.UntilAsync(async () => (await gadget.GetAsync("/readings/v1/sources", Ct)).StatusCode == HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_key_with_an_id_of_its_own_opens_the_one_source_that_is_shared_with_it_until_it_is_not()
    {
        var ada = await platform.SignUpAsync();
        Guid scale = Guid.CreateVersion7(), diary = Guid.CreateVersion7();
        foreach (var source in new[] { scale, diary })
            (await ada.Http.PutAsJsonAsync($"/readings/v1/sources/{source}", new { name = "Source", kind = "scale", metrics = new { weight = new { unit = "kg", type = "weight" } } }, Ct)).EnsureSuccessStatusCode();
        using var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Scale", scopes = new[] { "readings:read", "readings:write" }, acts_as_itself = true }, Ct);
        var key = await made.Content.ReadFromJsonAsync<JsonElement>(Ct);
        using var gadget = platform.Anonymous();
        gadget.DefaultRequestHeaders.Add("X-API-Key", key.GetProperty("key").GetString());
        Task<HttpResponseMessage> WriteAsync(Guid source) => gadget.PostAsJsonAsync($"/readings/v1/sources/{source}/readings", new { readings = new[] { new { at = "2026-03-29T08:00:00+02:00", values = new { weight = 71.5 } } } }, Ct);
        Assert.Equal(HttpStatusCode.NotFound, (await WriteAsync(scale)).StatusCode);

        using var offered = await ada.Http.PostAsJsonAsync("/readings/v1/grants", new { opens = "source", source_id = scale, access = "write", grantee = key.GetProperty("own_id").GetGuid(), label = "Scale" }, Ct);
        Assert.True(offered.StatusCode == HttpStatusCode.Created, await offered.Content.ReadAsStringAsync(Ct));
        var grant = (await offered.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("grant").GetProperty("grant_id").GetGuid();
        using var accepted = await gadget.PostAsJsonAsync("/readings/v1/grants/accept", new { grant_id = grant }, Ct);
        Assert.True(accepted.StatusCode == HttpStatusCode.OK, await accepted.Content.ReadAsStringAsync(Ct));
        using (var stored = await WriteAsync(scale)) Assert.True(stored.StatusCode == HttpStatusCode.OK, await stored.Content.ReadAsStringAsync(Ct));
        Assert.Equal(HttpStatusCode.NotFound, (await WriteAsync(diary)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await gadget.PostAsJsonAsync("/readings/v1/grants", new { opens = "everything", access = "read" }, Ct)).StatusCode);
        // It is hers, and she sees who wrote it.
        Assert.Equal(71.5, (await ada.Http.GetFromJsonAsync<JsonElement>($"/readings/v1/sources/{scale}/latest?metric=weight", Ct)).GetProperty("latest").GetProperty("weight").GetProperty("value").GetDouble());
        Assert.Contains(key.GetProperty("own_id").GetString()!, await ada.Http.GetStringAsync("/readings/v1/access-log", Ct), StringComparison.Ordinal);

        (await ada.Http.DeleteAsync($"/readings/v1/grants/{grant}", Ct)).EnsureSuccessStatusCode();
        Assert.Equal(HttpStatusCode.NotFound, (await WriteAsync(scale)).StatusCode);
    }

    private static async Task<JsonElement> MadeAsync(RunningPlatform.Person person, params string[] scopes)
    {
        using var made = await person.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Gadget", scopes }, Ct);
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        return await made.Content.ReadFromJsonAsync<JsonElement>(Ct);
    }
}
