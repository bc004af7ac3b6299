using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>An application that people share with, with the tokens that identity really gives it.</summary>
public sealed class SharingTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_shared_with_an_application_it_reads_as_itself_and_for_whomever_it_acts_until_it_is_ended()
    {
        var (ada, bob) = (await platform.SignUpAsync(), await platform.SignUpAsync());
        var cuff = Guid.CreateVersion7();
        (await ada.Http.PutAsJsonAsync($"/readings/v1/sources/{cuff}", new { name = "Cuff", kind = "cuff", metrics = new { pulse = new { unit = "bpm", type = "heart_rate" } } }, Ct)).EnsureSuccessStatusCode();
        (await ada.Http.PostAsJsonAsync($"/readings/v1/sources/{cuff}/readings", new { readings = new[] { new { at = "2026-03-29T08:00:00+02:00", values = new { pulse = 61 } } } }, Ct)).EnsureSuccessStatusCode();
        var practice = await JsonAsync(await bob.Http.PostAsJsonAsync("/identity/v1/me/applications",
            new { name = "Practice", redirect_uris = new[] { "http://127.0.0.1/callback" }, scopes = new[] { "readings:read", "readings:write" } }, Ct));
        var client = practice.GetProperty("client_id").GetGuid();

        using var itself = await WithTokenAsync(practice, ("grant_type", "client_credentials"));
        var code = (await JsonAsync(await bob.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = client, scopes = new[] { "readings:read" } }, Ct))).GetProperty("code").GetString()!;
        using var forBob = await WithTokenAsync(practice, ("grant_type", "urn:openreadings:grant-type:pairing-code"), ("code", code));
        var offered = await JsonAsync(await ada.Http.PostAsJsonAsync("/readings/v1/grants", new { opens = "metric", source_id = cuff, metric = "pulse", access = "read", grantee = client, client_id = client }, Ct));
        var grant = offered.GetProperty("grant").GetProperty("grant_id").GetGuid();
        var latest = $"/readings/v1/sources/{cuff}/latest?owner={ada.Id}";
        foreach (var http in new[] { itself, forBob, bob.Http }) Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(latest, Ct)).StatusCode);

        await JsonAsync(await itself.PostAsJsonAsync("/readings/v1/grants/accept", new { grant_id = grant }, Ct));
        foreach (var http in new[] { itself, forBob })
            Assert.Equal(61, (await http.GetFromJsonAsync<JsonElement>(latest, Ct)).GetProperty("latest").GetProperty("pulse").GetProperty("value").GetDouble());
        Assert.Equal(HttpStatusCode.NotFound, (await bob.Http.GetAsync(latest, Ct)).StatusCode);
        var log = (await ada.Http.GetFromJsonAsync<JsonElement>("/readings/v1/access-log", Ct)).GetProperty("entries").EnumerateArray().ToList();
        Assert.Equal([bob.Id, client], log.Select(entry => entry.GetProperty("actor").GetGuid()).Where(actor => actor == bob.Id || actor == client).Distinct().OrderBy(actor => actor != bob.Id));
        Assert.All(log, entry => Assert.Equal(client, entry.GetProperty("client_id").GetGuid()));

        (await bob.Http.DeleteAsync($"/identity/v1/me/applications/{client}", Ct)).EnsureSuccessStatusCode();
        await PersonTests.UntilAsync(async () => (await ada.Http.GetFromJsonAsync<JsonElement>("/readings/v1/grants", Ct)).GetProperty("grants").GetArrayLength() == 0);
    }

    private async Task<HttpClient> WithTokenAsync(JsonElement application, params (string, string)[] form)
    {
        using var http = platform.Anonymous();
        using var content = new FormUrlEncodedContent([
            new("client_id", application.GetProperty("client_id").GetString()), new("client_secret", application.GetProperty("client_secret").GetString()),
            .. form.Select(field => new KeyValuePair<string?, string?>(field.Item1, field.Item2))]);
        var tokens = await JsonAsync(await http.PostAsync("/identity/v1/tokens", content, Ct));
        var program = platform.Anonymous();
        program.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", tokens.GetProperty("access_token").GetString());
        return program;
    }

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        using (answer) return await answer.Content.ReadFromJsonAsync<JsonElement>(Ct);
    }
}
