using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>A file's way from its owner to the readings, through identity, sync and readings as they run in production.</summary>
public sealed class ImportTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_watch_is_imported_read_back_by_days_and_announced_to_an_outsider()
    {
        await using var outsider = await Outsider.ConnectAsync(platform.Broker, "sync.events", "readings.events");
        var ada = await platform.SignUpAsync();
        var import = await StartAsync(ada, Export(2_000, TimeSpan.FromMinutes(1)));
        var done = PersonTests.DataOf(await outsider.NextAsync(message =>
            message.RoutingKey == "import.completed.v1" && PersonTests.DataOf(message).GetProperty("user_id").GetGuid() == ada.Id));
        Assert.Equal(("completed", 2_000), (done.GetProperty("state").GetString(), done.GetProperty("stored").GetInt32()));
        var end = await EndAsync(ada, import);
        Assert.Equal((2_000, 0), Counts(end));

        var days = await ada.Http.GetFromJsonAsync<JsonElement>(
            "/readings/v1/series/buckets?type=heart_rate&bucket=1d&time_zone=Europe/Berlin&from=2023-01-01T00:00:00%2B01:00&to=2023-01-03T00:00:00%2B01:00", Ct);
        Assert.Equal([1_440, 560], days.GetProperty("buckets").EnumerateArray().Select(day => day.GetProperty("count").GetInt32()));
        Assert.Equal((0, 2_000), Counts(await EndAsync(ada, await StartAsync(ada, Export(2_000, TimeSpan.FromMinutes(1))))));
    }

    [Fact]
    public async Task A_worker_that_is_killed_is_followed_by_one_that_goes_on_and_no_record_is_lost_or_doubled()
    {
        const int Records = 250_000;
        var ada = await platform.SignUpAsync();
        var import = await StartAsync(ada, Export(Records, TimeSpan.FromSeconds(1)));
        var seen = default(JsonElement);
        await PersonTests.UntilAsync(async () => (seen = await ViewAsync(ada, import)).GetProperty("progress").GetProperty("records").GetInt64() > 0);
        Assert.Equal("running", seen.GetProperty("state").GetString());     // or there would be nothing left to go on with
        await platform.Services["sync"].KillAsync();
        await platform.Services["sync"].StartAsync();
        var end = await EndAsync(ada, import);
        Assert.Equal("completed", end.GetProperty("state").GetString());
        var (stored, unchanged) = Counts(end);
        Assert.Equal(Records, stored + unchanged);
        var all = await ada.Http.GetFromJsonAsync<JsonElement>(
            "/readings/v1/series/buckets?type=heart_rate&bucket=1M&time_zone=UTC&from=2022-12-01T00:00:00Z&to=2023-03-01T00:00:00Z", Ct);
        Assert.Equal(Records, all.GetProperty("buckets").EnumerateArray().Sum(month => month.GetProperty("count").GetInt32()));
    }

    [Fact]
    public async Task While_readings_is_down_an_import_waits_and_then_goes_on()
    {
        var ada = await platform.SignUpAsync();
        await platform.Services["readings"].KillAsync();
        Uri import;
        try
        {
            import = await StartAsync(ada, Export(5_000, TimeSpan.FromSeconds(1)));
            await PersonTests.UntilAsync(async () => (await ViewAsync(ada, import)).GetProperty("error").ValueKind == JsonValueKind.Object);
        }
        finally
        {
            await platform.Services["readings"].StartAsync();
        }

        Assert.Equal((5_000, 0), Counts(await EndAsync(ada, import)));
    }

    [Fact]
    public async Task Deleting_the_account_ends_its_import()
    {
        var ada = await platform.SignUpAsync();
        var import = await StartAsync(ada, Export(400_000, TimeSpan.FromSeconds(1)));
        using var deleted = await ada.Http.SendAsync(
            new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password = ada.Password }) }, Ct);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        // Her token opens nothing any more, so the database is asked.
        await using var sync = new Npgsql.NpgsqlConnection(platform.Databases["sync"].Migrator);
        var id = Guid.Parse(import.OriginalString.Split('/')[^1]);
        await PersonTests.UntilAsync(async () => await Dapper.SqlMapper.ExecuteScalarAsync<int>(sync, "select count(*)::int from imports where import_id = @id", new { id }) == 0);
    }

    private static async Task<Uri> StartAsync(RunningPlatform.Person person, byte[] file)
    {
        using var response = await person.Http.PostAsync(new Uri("/sync/v1/imports?format=apple-health", UriKind.Relative), new ByteArrayContent(file), Ct);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        return response.Headers.Location!;
    }

    private static Task<JsonElement> ViewAsync(RunningPlatform.Person person, Uri import) => person.Http.GetFromJsonAsync<JsonElement>(import, Ct);

    private static async Task<JsonElement> EndAsync(RunningPlatform.Person person, Uri import)
    {
        await PersonTests.UntilAsync(
            async () => (await ViewAsync(person, import)).GetProperty("state").GetString() is "completed" or "failed" or "cancelled", seconds: 180);
        return await ViewAsync(person, import);
    }

    private static (int Stored, int Unchanged) Counts(JsonElement view) =>
        (view.GetProperty("receipt").GetProperty("stored").GetInt32(), view.GetProperty("receipt").GetProperty("unchanged").GetInt32());

    private static byte[] Export(int records, TimeSpan step)
    {
        var at = new DateTime(2023, 1, 1, 0, 0, 0, DateTimeKind.Unspecified);
        var xml = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<HealthData locale=\"en_US\">\n");
        for (var i = 0; i < records; i++)
        {
            var when = (at + i * step).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            xml.Append(CultureInfo.InvariantCulture,
                $"<Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"Watch\" unit=\"count/min\" startDate=\"{when} +0100\" value=\"{50 + i % 90}\"/>\n");
        }

        return Encoding.UTF8.GetBytes(xml.Append("</HealthData>\n").ToString());
    }
}
