using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Support;
using OpenReadings.Sync.Importing;

namespace OpenReadings.SyncTests;

/// <summary>What happens to an import when something around it breaks.</summary>
public sealed class WorkerTests(SyncService sync)
{
    private const string Apple = "format=apple-health";
    private readonly Guid ada = Guid.NewGuid();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_running_import_is_cancelled_while_a_batch_hangs_and_keeps_what_it_stored()
    {
        var held = new TaskCompletionSource();
        sync.Line.Disturb(ada, async (number, gone) =>
        {
            if (number < 3) return null;
            held.TrySetResult();
            await Task.Delay(Timeout.Infinite, gone);
            return null;
        });
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(20_000)));
        await held.Task.WaitAsync(TimeSpan.FromSeconds(60), Ct);
        using var response = await http.DeleteAsync(import, Ct);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        var end = await SyncService.EndAsync(http, import);
        Assert.Equal("cancelled", end.GetProperty("state").GetString());
        var stored = end.GetProperty("receipt").GetProperty("stored").GetInt32();
        Assert.InRange(stored, 3_000, 4_000);
        Assert.Equal(stored, await StoredAsync(ada));
        await GoneAsync(import);
        using var again = await http.DeleteAsync(import, Ct);
        Assert.Equal(HttpStatusCode.NoContent, again.StatusCode);
        Assert.Equal(stored, (await http.GetFromJsonAsync<JsonElement>(import, Ct)).GetProperty("receipt").GetProperty("stored").GetInt32());
    }

    [Fact]
    public async Task An_import_that_waits_is_cancelled_at_once()
    {
        sync.Line.Disturb(ada, (_, _) => Task.FromResult<int?>(503));
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(10)));
        var paused = await PausedAsync(http, import);
        Assert.Contains("503", paused.GetProperty("error").GetProperty("detail").GetString());
        using var response = await http.DeleteAsync(import, Ct);
        Assert.True(response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.Accepted);
        Assert.Equal("cancelled", (await SyncService.EndAsync(http, import)).GetProperty("state").GetString());
        await GoneAsync(import);
    }

    [Fact]
    public async Task When_readings_is_away_the_import_pauses_and_later_goes_on_and_nothing_is_lost()
    {
        sync.Line.Disturb(ada, (number, _) => Task.FromResult<int?>(number is > 2 and < 9 ? 503 : null));
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Beats(12_000)));
        Assert.Equal("completed", end.GetProperty("state").GetString());
        Assert.Equal(12_000, end.GetProperty("receipt").GetProperty("stored").GetInt32() + end.GetProperty("receipt").GetProperty("unchanged").GetInt32());
        Assert.Equal(12_000, await StoredAsync(ada));
    }

    [Fact]
    public async Task When_readings_asks_to_wait_the_import_waits()
    {
        sync.Line.Disturb(ada, (number, _) => Task.FromResult<int?>(number == 1 ? 429 : null));
        using var http = sync.SignedInAs(ada);
        var asked = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal("completed", (await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Beats(10)))).GetProperty("state").GetString());
        Assert.True(asked.Elapsed.TotalSeconds >= 1);
    }

    [Fact]
    public async Task A_token_that_is_refused_is_renewed_once()
    {
        sync.Line.Disturb(ada, (number, _) => Task.FromResult<int?>(number == 1 ? 401 : null));
        using var http = sync.SignedInAs(ada);
        Assert.Equal("completed", (await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Beats(10)))).GetProperty("state").GetString());
        lock (sync.Exchanges) Assert.Equal(2, sync.Exchanges.Count(user => user == ada));
    }

    [Fact]
    public async Task When_another_worker_takes_over_it_goes_on_at_the_checkpoint_and_the_first_one_lets_go()
    {
        var held = new TaskCompletionSource();
        sync.Line.Disturb(ada, async (number, gone) =>
        {
            if (number != 3) return null;
            held.TrySetResult();
            await Task.Delay(Timeout.Infinite, gone);
            return null;
        });
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(10_000)));
        await held.Task.WaitAsync(TimeSpan.FromSeconds(60), Ct);
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        await UntilAsync(async () => await connection.ExecuteScalarAsync<long?>("select (checkpoint->>'records')::bigint from imports where user_id = @ada", new { ada }) > 3_000);
        // As if the worker had died: nobody renews its lease, and its last writes come too late.
        await connection.ExecuteAsync("update imports set lease = gen_random_uuid(), lease_until = now() - interval '1 second' where user_id = @ada", new { ada });
        var end = await SyncService.EndAsync(http, import);
        Assert.Equal("completed", end.GetProperty("state").GetString());
        Assert.Equal(10_000, end.GetProperty("receipt").GetProperty("stored").GetInt32());
        Assert.Equal(10_000, end.GetProperty("progress").GetProperty("records").GetInt32());
        Assert.Equal(10_000, await StoredAsync(ada));
        Assert.InRange(sync.Line.WritesOf(ada), 6, 7);    // five or six batches, one of them twice
    }

    [Fact]
    public async Task The_import_of_an_account_that_is_gone_fails()
    {
        sync.Gone.Add(ada);
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Beats(10)));
        Assert.Equal(("failed", "account-gone"), (end.GetProperty("state").GetString(), end.GetProperty("error").GetProperty("type").GetString()));
    }

    [Fact]
    public async Task When_its_source_is_deleted_meanwhile_the_import_fails_and_brings_nothing_back()
    {
        var source = Guid.CreateVersion7();
        using var readings = sync.Readings.SignedInAs(ada);
        sync.Line.Disturb(ada, async (number, ct) =>
        {
            if (number == 2) (await readings.DeleteAsync(new Uri($"/readings/v1/sources/{source}", UriKind.Relative), ct)).EnsureSuccessStatusCode();
            return null;
        });
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, $"{Apple}&source_id={source}", Samples.Export(Samples.Beats(10_000)));
        Assert.Equal(("failed", "source-gone"), (end.GetProperty("state").GetString(), end.GetProperty("error").GetProperty("type").GetString()));
        Assert.Empty((await sync.ReadAsync(ada, "sources")).GetProperty("sources").EnumerateArray());
    }

    [Fact]
    public async Task A_deleted_account_takes_its_imports_and_files_along_and_can_bring_no_new_ones()
    {
        sync.Line.Disturb(ada, async (_, gone) =>
        {
            await Task.Delay(Timeout.Infinite, gone);
            return null;
        });
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(10)));
        await SyncService.UntilAsync(http, import, state => state == "running");
        using (var scope = sync.Services.CreateScope())
        {
            var departed = new AccountDeleted(ada, DateTimeOffset.UtcNow);
            var received = new Received(Guid.CreateVersion7(), AccountDeleted.Type, ada.ToString(), DateTimeOffset.UtcNow, null);
            await scope.ServiceProvider.GetRequiredService<ForgetPerson>().HandleAsync(departed, received, Ct);
            await scope.ServiceProvider.GetRequiredService<ForgetPerson>().HandleAsync(departed, received, Ct);
        }

        using var gone = await http.GetAsync(import, Ct);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.Empty(Directory.EnumerateFiles(sync.Folder, $"{ada:N}-*"));
        using var late = await http.PostAsync(new Uri($"/sync/v1/imports?{Apple}", UriKind.Relative), new StringContent("<HealthData/>"), Ct);
        Assert.Equal(HttpStatusCode.NotFound, late.StatusCode);
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        Assert.Equal(0, await connection.ExecuteScalarAsync<int>("select count(*)::int from imports where user_id = @ada", new { ada }));
        Assert.Empty(Directory.EnumerateFiles(sync.Folder, $"{ada:N}-*"));
    }

    [Fact]
    public async Task Files_that_no_import_needs_are_swept_and_the_others_stay()
    {
        sync.Line.Disturb(ada, (_, _) => Task.FromResult<int?>(503));
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(10)));
        string needed = Assert.Single(Directory.EnumerateFiles(sync.Folder, $"{ada:N}-*")), half = Path.Combine(sync.Folder, $"{Guid.NewGuid():N}.part");
        var orphan = Path.Combine(sync.Folder, $"{ada:N}-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(half, "x", Ct);
        await File.WriteAllTextAsync(orphan, "x", Ct);
        foreach (var file in new[] { needed, half, orphan }) File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-1));
        await sync.Services.GetRequiredService<SweepFiles>().SweepAsync(TimeSpan.FromHours(2), Ct);
        Assert.Equal([true, false, false], new[] { needed, half, orphan }.Select(File.Exists));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(needed));
        sync.Line.Mend(ada);
        Assert.Equal("completed", (await SyncService.EndAsync(http, import)).GetProperty("state").GetString());
        await GoneAsync(import);
    }

    [Fact]
    public async Task One_person_may_have_only_so_many_imports_waiting()
    {
        sync.Line.Disturb(ada, (_, _) => Task.FromResult<int?>(503));
        using var http = sync.SignedInAs(ada);
        for (var i = 0; i < 10; i++) await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(1)));
        using var response = await http.PostAsync(new Uri($"/sync/v1/imports?{Apple}", UriKind.Relative), new StringContent("<HealthData/>"), Ct);
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        sync.Line.Mend(ada);
    }

    [Fact]
    public async Task The_real_sample_of_an_export_has_what_a_plain_search_finds_in_it()
    {
        Assert.SkipWhen(TestServers.Shared is null, "The folder of real recordings is not beside the checkout.");
        var xml = await File.ReadAllTextAsync(Path.Combine(TestServers.Shared, "data", "apple-health", "export.xml"), Ct);
        int Found(string element) => System.Text.RegularExpressions.Regex.Count(xml, $"<{element} ");
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, Apple, xml);
        var receipt = end.GetProperty("receipt");
        Assert.Equal(Found("Record") + Found("Workout"), receipt.GetProperty("stored").GetInt32());
        Assert.Equal(Found("ActivitySummary"), receipt.GetProperty("skipped").GetProperty("ActivitySummary").GetInt32());
        Assert.Equal(0, receipt.GetProperty("rejected").GetInt32());
        Assert.Equal(System.Text.RegularExpressions.Regex.Matches(xml, "<(?:Record|Workout) [^>]*sourceName=\"([^\"]*)\"").Select(match => match.Groups[1].Value).Distinct().Order(), receipt.GetProperty("sources").EnumerateArray().Select(source => source.GetProperty("name").GetString()).Order());
    }

    [Fact]
    public async Task The_real_days_of_house_power_have_the_rows_that_a_plain_count_finds()
    {
        Assert.SkipWhen(TestServers.Shared is null, "The folder of real recordings is not beside the checkout.");
        var csv = await File.ReadAllTextAsync(Path.Combine(TestServers.Shared, "data", "power", "household_power_2007-02.csv"), Ct);
        const string mapping = """{"time": {"date": "Date", "time": "Time"}, "time_zone": "Europe/Paris", "metrics": [{"column": "Global_active_power", "unit": "kW"}, {"column": "Voltage", "unit": "V"}]}""";
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, $"format=csv&source_name=House&mapping={Uri.EscapeDataString(mapping)}", csv);
        Assert.Equal(csv.TrimEnd().Split('\n').Length - 1, end.GetProperty("receipt").GetProperty("stored").GetInt32());
    }

    private async Task<int> StoredAsync(Guid user)
    {
        await using var connection = new NpgsqlConnection(sync.Readings.Database.Superuser);
        return await connection.ExecuteScalarAsync<int>(
            "select count(*)::int from readings join series using (series_id) where user_id = @user", new { user });
    }

    private static async Task<JsonElement> PausedAsync(HttpClient http, Uri import)
    {
        JsonElement view = default;
        await UntilAsync(async () => (view = await http.GetFromJsonAsync<JsonElement>(import, Ct)).GetProperty("error").ValueKind == JsonValueKind.Object);
        return view;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        for (var waited = System.Diagnostics.Stopwatch.StartNew(); !await holds(); await Task.Delay(20, Ct))
            if (waited.Elapsed.TotalSeconds > 60) throw new TimeoutException("It did not happen in time.");
    }

    // The state is written first and the file deleted after.
    private Task GoneAsync(Uri import) => UntilAsync(() =>
        Task.FromResult(!Directory.EnumerateFiles(sync.Folder, $"*-{Guid.Parse(import.ToString().Split('/')[^1]):N}").Any()));
}
