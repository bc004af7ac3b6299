using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>Everything of a person, taken away as one file and brought back, through all services as they run in production.</summary>
public sealed class ArchiveTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_person_takes_away_and_brings_back_into_a_new_account_is_the_same_to_the_byte()
    {
        var ada = await platform.SignUpAsync();
        await FillAsync(ada);
        await LetSomebodyWriteAsync(ada);
        var taken = await TakeAsync(ada, about: false);
        var names = NamesIn(taken);
        Assert.Equal("archive.json", names[0]);
        Assert.Equal("end.json", names[^1]);
        Assert.Equal(4, names.Count(name => name.EndsWith("/source.json", StringComparison.Ordinal)));
        Assert.Equal(taken, await TakeAsync(ada, about: false));

        (await ada.Http.SendAsync(new(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password = ada.Password }) }, Ct)).EnsureSuccessStatusCode();
        var again = await platform.SignUpAsync();
        Assert.NotEqual(taken, await TakeAsync(again, about: false));
        var receipt = await ImportAsync(again, taken);
        Assert.Equal((3_003 + 3, 0, 0), (Count(receipt, "stored"), Count(receipt, "rejected"), Count(receipt, "unchanged")));
        var back = await TakeAsync(again, about: false);
        Assert.Equal(TextsOf(taken), TextsOf(back));
        Assert.Equal(taken, back);

        var twice = await ImportAsync(again, taken);
        Assert.Equal((0, 0, 3_003 + 3), (Count(twice, "stored"), Count(twice, "replaced"), Count(twice, "unchanged")));
        Assert.Equal(taken, await TakeAsync(again, about: false));
    }

    [Fact]
    public async Task It_tells_of_the_account_too_and_holds_nothing_of_anybody_else_and_no_secret()
    {
        var (ada, eve) = (await platform.SignUpAsync(), await platform.SignUpAsync());
        await FillAsync(ada);
        await FillAsync(eve);
        var key = (await (await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Kitchen scale", scopes = new[] { "readings:write" } }, Ct)).Content.ReadFromJsonAsync<JsonElement>(Ct))
            .GetProperty("key").GetString()!;
        var archive = TextsOf(await TakeAsync(ada));
        Assert.Contains(ada.Email, archive["about/account.json"], StringComparison.Ordinal);
        Assert.Contains("signed-in", archive["about/audit.ndjson"], StringComparison.Ordinal);
        Assert.Contains("Kitchen scale", archive["about/api_keys.ndjson"], StringComparison.Ordinal);
        Assert.Single(archive["about/logins.ndjson"].Trim().Split('\n'));
        var everything = string.Join('\n', archive.Values);
        Assert.DoesNotContain(eve.Id.ToString(), everything, StringComparison.Ordinal);
        Assert.DoesNotContain(eve.Email, everything, StringComparison.Ordinal);
        foreach (var secret in (string[])[key, key[^20..], ada.Password, ada.RefreshToken, ada.AccessToken]) Assert.DoesNotContain(secret, everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task That_it_was_taken_stands_in_the_persons_audit_with_the_login_that_took_it()
    {
        var ada = await platform.SignUpAsync();
        await TakeAsync(ada, about: false);
        JsonElement[] entries = [];
        await PersonTests.UntilAsync(async () => (entries = [.. (await ada.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/audit", Ct)).GetProperty("entries").EnumerateArray()]).Length == 2);
        var login = (await ada.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/logins", Ct)).GetProperty("logins")[0].GetProperty("login_id").GetGuid();
        var taken = entries.Single(entry => entry.GetProperty("action").GetString() == "archive-taken");
        Assert.Equal(login, taken.GetProperty("login_id").GetGuid());
    }

    [Fact]
    public async Task Neither_a_key_nor_a_stranger_takes_it_and_what_a_key_brings_back_leaves_the_account_alone()
    {
        var ada = await platform.SignUpAsync();
        using var stranger = platform.Anonymous();
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/sync/v1/archive", Ct)).StatusCode);
        var made = await (await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Script", scopes = new[] { "sync:read", "sync:write", "readings:read" } }, Ct)).Content.ReadFromJsonAsync<JsonElement>(Ct);
        stranger.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", made.GetProperty("key").GetString());
        Assert.Equal(HttpStatusCode.Forbidden, (await stranger.GetAsync("/sync/v1/archive", Ct)).StatusCode);

        await FillAsync(ada);
        var taken = await TakeAsync(ada, about: false);
        (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name = "Countess" }, Ct)).EnsureSuccessStatusCode();
        using var sent = await stranger.PostAsync("/sync/v1/imports?format=openreadings", new ByteArrayContent(taken), Ct);
        Assert.Equal(HttpStatusCode.Accepted, sent.StatusCode);
        Assert.Equal("Countess", (await ada.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me", Ct)).GetProperty("name").GetString());
        await ImportAsync(ada, taken);
        Assert.Equal("Ada", (await ada.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me", Ct)).GetProperty("name").GetString());
    }

    [Fact]
    public async Task Half_an_archive_brings_back_half_and_says_so_and_what_is_none_is_refused()
    {
        var (ada, eve) = (await platform.SignUpAsync(), await platform.SignUpAsync());
        await FillAsync(ada);
        var taken = await TakeAsync(ada, about: false);
        var receipt = await ImportAsync(eve, taken[..(taken.Length * 3 / 4)]);
        Assert.True(receipt.GetProperty("truncated").GetBoolean());
        Assert.InRange(Count(receipt, "stored"), 1, 3_003);

        foreach (var (name, text) in ((string, string)[])[("readme.txt", "hello"), ("archive.json", "{}"), ("archive.json", """{"format": "openreadings-archive", "version": 2}""")])
            Assert.Equal(HttpStatusCode.UnprocessableEntity, await SendAsync(eve, Zip((name, text))));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, await SendAsync(eve, "{\"no\": \"zip\"}"u8.ToArray()));
    }

    [Fact]
    public async Task A_hostile_archive_changes_the_account_once_and_declares_no_more_than_a_source_may_have()
    {
        var eve = await platform.SignUpAsync();
        var id = Guid.NewGuid();
        var metrics = string.Join(", ", Enumerable.Range(0, 5_000).Select(i => $$"""
            "m{{i}}": {"unit": "kg"}
            """));
        var receipt = await ImportAsync(eve, Zip([
            ("archive.json", """{"format": "openreadings-archive", "version": 1}"""),
            .. Enumerable.Range(0, 500).Select(i => ("data/profile.json", $$"""{"name": "Eve {{i}}"}""")),
            ($"data/sources/{id}/source.json", $$$"""{"name": "Wide", "kind": "scale", "metrics": {{{{metrics}}}}}"""),
            ($"data/sources/{id}/readings.ndjson", string.Concat(Enumerable.Repeat("{\"at\":\"2026-01-01T08:00:00Z\",\"values\":{\"m1\":80}}\n", 3_000))),
            ("end.json", """{"sources": 1}""")]));
        Assert.Equal((0, 1), (Count(receipt, "stored"), Count(receipt, "rejected")));
        Assert.Equal("Eve 0", (await eve.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me", Ct)).GetProperty("name").GetString());
        var audit = await eve.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/audit", Ct);
        Assert.Single(audit.GetProperty("entries").EnumerateArray(), entry => entry.GetProperty("action").GetString() == "profile-changed");
    }

    [Fact]
    public async Task Bad_lines_are_listed_and_the_good_ones_stay()
    {
        var eve = await platform.SignUpAsync();
        var id = Guid.NewGuid();
        var receipt = await ImportAsync(eve, Zip(
            ("archive.json", """{"format": "openreadings-archive", "version": 1}"""),
            ("../../etc/passwd", "root"),
            ($"data/sources/{id}/source.json", """{"name": "Scale", "kind": "scale", "metrics": {"weight": {"unit": "kg"}}}"""),
            ($"data/sources/{id}/readings.ndjson",
                """
                {"at":"2026-01-01T08:00:00Z","values":{"weight":80}}
                {"at":"2026-01-02T08:00:00Z","values":{"height":1.8}}
                {"at":"2026-01-03T08:00:00Z","values":{"weight":"heavy"}}
                {"at":"2026-01-04T08:00:00Z\"},{\"at\":\"x","values":{"weight":80}}
                nonsense
                {"at":"2026-02-31T08:00:00Z","values":{"weight":80}}
                {"later":[1,{"at":"x"}],"at":"2026-01-05T08:00:00Z","values":{"weight":81},"written_by":{"weight":"somebody"}}

                """),
            ("end.json", """{"sources": 1}""")));
        Assert.Equal((2, 5), (Count(receipt, "stored"), Count(receipt, "rejected")));
        Assert.False(receipt.GetProperty("truncated").GetBoolean());
        // What an archive says of who wrote is nobody's word but its own.
        Assert.DoesNotContain("written_by", await eve.Http.GetStringAsync($"/readings/v1/sources/{id}/readings", Ct), StringComparison.Ordinal);
        Assert.Equal([2, 3, 4, 5, 6], receipt.GetProperty("examples").EnumerateArray().Select(example => example.GetProperty("line").GetInt32()).Order());
    }

    // Who else wrote is not for an archive to say: whoever brings one back could have put anybody's name into it.
    private async Task LetSomebodyWriteAsync(RunningPlatform.Person ada)
    {
        var (bob, scale) = (await platform.SignUpAsync(), Guid.NewGuid());
        async Task<JsonElement> Ok(Task<HttpResponseMessage> request)
        {
            using var response = await request;
            var text = await response.Content.ReadAsStringAsync(Ct);
            Assert.True(response.IsSuccessStatusCode, text);
            return JsonDocument.Parse(text).RootElement;
        }

        await Ok(ada.Http.PutAsJsonAsync($"/readings/v1/sources/{scale}", new { name = "Scale", kind = "scale", metrics = new { weight = new { unit = "kg" } } }, Ct));
        var offered = await Ok(ada.Http.PostAsJsonAsync("/readings/v1/grants", new { opens = "source", source_id = scale, access = "write" }, Ct));
        await Ok(bob.Http.PostAsJsonAsync("/readings/v1/grants/accept", new { code = offered.GetProperty("code").GetString() }, Ct));
        await Ok(bob.Http.PostAsJsonAsync($"/readings/v1/sources/{scale}/readings", new { readings = new[] { new { at = "2026-11-20T07:00:00+01:00", values = new { weight = 61.5 } } } }, Ct));
        await Ok(bob.Http.PostAsJsonAsync($"/readings/v1/sources/{scale}/events",
            new { events = new[] { new { kind = "sleep", type = "nap", from = "2026-11-20T13:00:00+01:00", to = "2026-11-20T13:20:00+01:00" } } }, Ct));
        Assert.Contains(bob.Id.ToString(), await ada.Http.GetStringAsync($"/readings/v1/sources/{scale}/readings", Ct), StringComparison.Ordinal);
    }

    /// <summary>A person with a name, a picture, preferences, composites, odd offsets, events, a public source and one that is empty.</summary>
    private static async Task FillAsync(RunningPlatform.Person person)
    {
        async Task Ok(Task<HttpResponseMessage> request)
        {
            using var response = await request;
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Ct));
        }

        await Ok(person.Http.PatchAsJsonAsync("/identity/v1/me", new { name = "Ada", time_zone = "Europe/Ljubljana" }, Ct));
        await Ok(person.Http.PatchAsJsonAsync("/identity/v1/me/preferences", new { theme = "dark", custom = new Dictionary<string, object> { ["org.example/chart"] = new { smooth = true } } }, Ct));
        using var pixel = new ByteArrayContent(Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="));
        await Ok(person.Http.PutAsync("/identity/v1/me/avatar", pixel, Ct));
        var (cuff, meter, empty) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await Ok(person.Http.PutAsJsonAsync($"/readings/v1/sources/{cuff}", new
        {
            name = "Manžeta “Ω”", kind = "cuff", time_zone = "Europe/Ljubljana", location = "kitchen", description = "left arm\nsitting",
            metrics = new
            {
                systolic = new { unit = "mm[Hg]", type = "blood_pressure_systolic", group = "blood_pressure" }, note = new { unit = "1" },
                diastolic = new { unit = "mm[Hg]", type = "blood_pressure_diastolic", group = "blood_pressure" }, pulse = new { unit = "/min", group = "blood_pressure" },
            },
        }, Ct));
        await Ok(person.Http.PostAsJsonAsync($"/readings/v1/sources/{cuff}/readings", new
        {
            readings = new object[]
            {
                new { at = "2026-10-25T02:30:00.123456+02:00", values = new { systolic = 121.5, diastolic = 79, pulse = 61, note = 1e-12 } },
                new { at = "2026-10-25T02:30:00.123456+01:00", values = new { systolic = 0.1 + 0.2, diastolic = 80 } },
            },
        }, Ct));
        await Ok(person.Http.PostAsJsonAsync($"/readings/v1/sources/{cuff}/events", new
        {
            events = new object[]
            {
                new { kind = "workout", type = "running", from = "2026-11-20T07:00:00+01:00", to = "2026-11-20T07:41:30+01:00",
                    values = new { energy = new { value = 320.25, unit = "kcal" } }, details = new { indoor = false, splits = new[] { 1.5, 2 }, place = "Šiška" } },
                new { kind = "sleep", type = "deep", from = "2026-11-20T00:00:00+01:00", to = "2026-11-20T01:00:00+01:00" },
            },
        }, Ct));
        await Ok(person.Http.PutAsJsonAsync($"/readings/v1/sources/{meter}", new { name = "Meter", kind = "meter", is_public = true, metrics = new { reading = "kWh" } }, Ct));
        await Ok(person.Http.PostAsJsonAsync($"/readings/v1/sources/{meter}/readings", new
        {
            columns = new[] { new { metric = "reading", at = Enumerable.Range(0, 3_000).Select(i => new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(15 * i)), values = Enumerable.Range(0, 3_000).Select(i => 1_000 + i * 0.1) } },
        }, Ct));
        await Ok(person.Http.PutAsJsonAsync($"/readings/v1/sources/{empty}", new { name = "Nothing yet", kind = "other", metrics = new { } }, Ct));
    }

    private static async Task<byte[]> TakeAsync(RunningPlatform.Person person, bool about = true)
    {
        using var response = await person.Http.GetAsync($"/sync/v1/archive?about={(about ? "true" : "false")}", Ct);
        Assert.True(response.StatusCode == HttpStatusCode.OK, await response.Content.ReadAsStringAsync(Ct));
        Assert.Equal("application/zip", response.Content.Headers.ContentType?.MediaType);
        return await response.Content.ReadAsByteArrayAsync(Ct);
    }

    private static async Task<JsonElement> ImportAsync(RunningPlatform.Person person, byte[] archive)
    {
        using var response = await person.Http.PostAsync("/sync/v1/imports?format=openreadings", new ByteArrayContent(archive), Ct);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Ct));
        JsonElement view = default;
        await PersonTests.UntilAsync(async () =>
            (view = await person.Http.GetFromJsonAsync<JsonElement>(response.Headers.Location!, Ct)).GetProperty("state").GetString() is "completed" or "failed", seconds: 60);
        Assert.True(view.GetProperty("state").GetString() == "completed", view.ToString());
        return view.GetProperty("receipt");
    }

    private static async Task<HttpStatusCode> SendAsync(RunningPlatform.Person person, byte[] archive)
    {
        using var response = await person.Http.PostAsync("/sync/v1/imports?format=openreadings", new ByteArrayContent(archive), Ct);
        return response.StatusCode;
    }

    private static byte[] Zip(params IEnumerable<(string Name, string Text)> entries)
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
            foreach (var (name, text) in entries)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }

        return file.ToArray();
    }

    private static int Count(JsonElement receipt, string what) => receipt.GetProperty(what).GetInt32();

    private static List<string> NamesIn(byte[] archive)
    {
        using var zip = new ZipArchive(new MemoryStream(archive));
        return [.. zip.Entries.Select(entry => entry.FullName)];
    }

    private static Dictionary<string, string> TextsOf(byte[] archive)
    {
        using var zip = new ZipArchive(new MemoryStream(archive));
        return zip.Entries.ToDictionary(entry => entry.FullName, entry =>
        {
            using var text = new StreamReader(entry.Open());
            return text.ReadToEnd();
        });
    }
}
