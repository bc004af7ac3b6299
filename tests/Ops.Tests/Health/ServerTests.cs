using System.Text.Json;
using Dapper;
using Npgsql;
using OpenReadings.Ops.Health;
using OpenReadings.Ops.Metrics;
using OpenReadings.Ops.Sessions;

namespace OpenReadings.Ops.Tests.Health;

/// <summary>On a server of their own, one after the other: each puts back what it changed.</summary>
public sealed class ServerTests(OwnServer server) : IClassFixture<OwnServer>
{
    [Fact]
    public async Task Nothing_is_found_where_nothing_is_wrong()
    {
        var (exit, output, errors) = await OpsProcess.RunAsync(server.Settings, "doctor");
        Assert.True(exit == (int)Exit.Ok, output + errors);
        Assert.EndsWith("All is well.\n", output, StringComparison.Ordinal);

        (exit, output, _) = await OpsProcess.RunAsync(server.Settings, "doctor", "--json");
        Assert.Equal((int)Exit.Ok, exit);
        var sections = JsonDocument.Parse(output).RootElement.GetProperty("sections").EnumerateArray().ToList();
        Assert.All(sections, section => Assert.Equal("ok", section.GetProperty("severity").GetString()));
        Assert.Equal(4, sections.Count(section => section.GetProperty("name").GetString() == "protection"));
        Assert.True(output.Contains("\"version\":\"15.", StringComparison.Ordinal), output);
    }

    [Fact]
    public async Task What_cannot_be_reached_is_said_and_the_rest_is_looked_at()
    {
        var scope = new Scope([server.Places[0], new Place("sync", "Host=127.0.0.1;Port=1;Database=sync;Username=x;Password=hush")])
        {
            Broker = new Uri("amqp://guest:hush@127.0.0.1:1/none"),
        };
        var diagnosis = await Examination.RunAsync(scope, Given.Ct);
        Assert.Equal(["broker", "sync"], diagnosis.Sections.Where(section => section.Severity != Severity.Ok).Select(section => section.Of).Order());
        Assert.Equal(Severity.Bad, diagnosis.Severity);
        Assert.DoesNotContain("hush", diagnosis.ToString(), StringComparison.Ordinal);
        Assert.Contains("openreadings_up{part=\"sync\"} 0\n", new PrometheusText(diagnosis).ToString(), StringComparison.Ordinal);
        Assert.Contains("openreadings_up{part=\"identity\"} 1\n", new PrometheusText(diagnosis).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_slot_that_nobody_uses_is_found()
    {
        await server.DoAsync("select pg_create_physical_replication_slot('gone', true)");
        try
        {
            (await LookAsync("replication")).AssertFound(Severity.Warn, "nobody uses the slot gone");
        }
        finally
        {
            await server.DoAsync("select pg_drop_replication_slot('gone')");
        }
        Assert.Empty((await LookAsync("replication")).Findings);
    }

    [Fact]
    public async Task A_standby_that_is_behind_is_found_with_how_far()
    {
        await server.StartStandbyAsync();
        try
        {
            await server.DoAsync("create table if not exists noise (); drop table noise");
            await server.UntilAsync("max(replay_lag) > interval '200 ms' from pg_stat_replication");
            var scope = server.Scope with { Limits = new() { ReplicationLagSeconds = new(0.2, 1e9) } };
            var section = (await Examination.RunAsync(scope, Given.Ct)).Sections.First(section => section.Name == "replication");
            Assert.Contains(" behind", Assert.Single(section.Findings).What, StringComparison.Ordinal);
            Assert.Contains("slot late active", section.Summary, StringComparison.Ordinal);
            Assert.True(section.Samples.Single(sample => sample.Metric == Metric.ReplicationLag).Value > 0.2);
        }
        finally
        {
            await server.StopStandbyAsync();
        }
        Assert.Empty((await LookAsync("replication")).Findings);
    }

    [Fact]
    public async Task How_near_the_end_of_transaction_ids_is_told_of_databases_and_tables()
    {
        var scope = server.Scope with { Limits = new() { WraparoundRatio = new(1e-9, 1) } };
        var diagnosis = await Examination.RunAsync(scope, Given.Ct);
        diagnosis.Sections.First(section => section.Name == "wraparound").AssertFound(Severity.Warn, "template1 is at ");
        diagnosis.Sections.First(section => section.Name == "old tables").AssertFound(Severity.Warn, " of the age of forced vacuum");
        Assert.All(diagnosis.Sections.SelectMany(section => section.Samples).Where(sample => sample.Metric == Metric.Wraparound),
            sample => Assert.InRange(sample.Value, 0, 0.1));
    }

    [Fact]
    public async Task An_archive_that_takes_no_file_is_found_and_counted()
    {
        await server.DoAsync("alter system set archive_command = 'false'");
        await server.DoAsync("select pg_reload_conf(); create table if not exists noise (); drop table noise; select pg_switch_wal()");
        await server.UntilAsync("last_failed_time > coalesce(last_archived_time, '-infinity') from pg_stat_archiver");
        var section = await LookAsync("archiving");
        section.AssertFound(Severity.Bad, "cannot be archived");
        Assert.True(section.Samples.Single(sample => sample.Metric == Metric.ArchiveFailures).Value > 0);

        await server.DoAsync("alter system set archive_command = 'true'");
        await server.DoAsync("select pg_reload_conf()");
        await server.UntilAsync("last_failed_time < last_archived_time from pg_stat_archiver");
        Assert.Empty((await LookAsync("archiving")).Findings);
    }

    [Fact]
    public async Task A_setting_that_loses_data_is_found()
    {
        await server.DoAsync("alter system set full_page_writes = off");
        await server.DoAsync("alter system set max_connections = 299");
        await server.DoAsync("select pg_reload_conf()");
        try
        {
            await server.UntilAsync("current_setting('full_page_writes') = 'off'");
            var section = await LookAsync("settings");
            section.AssertFound(Severity.Bad, "full_page_writes is off");
            section.AssertFound(Severity.Warn, "max_connections changed");
        }
        finally
        {
            await server.DoAsync("alter system reset full_page_writes");
            await server.DoAsync("alter system reset max_connections");
            await server.DoAsync("select pg_reload_conf()");
            await server.UntilAsync("current_setting('full_page_writes') = 'on' and not exists (select from pg_settings where pending_restart)");
        }
    }

    [Fact]
    public async Task A_rule_that_lets_anybody_in_is_found_by_its_line()
    {
        var rules = await File.ReadAllTextAsync(server.HostRules, Given.Ct);
        try
        {
            await File.WriteAllTextAsync(server.HostRules, $"host all all 10.0.0.0/8 trust\nhost all all 10.0.0.0/8 md5\nhost all all nonsense\n{rules}", Given.Ct);
            var section = await LookAsync("settings");
            section.AssertFound(Severity.Bad, "pg_hba.conf, line 1: trust");
            section.AssertFound(Severity.Warn, "pg_hba.conf, line 2: md5");
            section.AssertFound(Severity.Warn, "pg_hba.conf, line 3: ");
        }
        finally
        {
            await File.WriteAllTextAsync(server.HostRules, rules, Given.Ct);
        }
        Assert.Empty((await LookAsync("settings")).Findings);
    }

    [Fact]
    public async Task The_slowest_statements_are_told_without_their_values()
    {
        var place = server.Places.Single(place => place.Service == "catalog");
        await using (var connection = new NpgsqlConnection(place.ConnectionString))
            await connection.ExecuteAsync("select pg_sleep(0.3), 'a person''s secret' as secret");
        await using var database = await place.OpenAsync(Given.Ct);
        var slow = await Slow.ReadAsync(database, top: 10, Given.Ct);
        Assert.Null(slow.Note);
        Assert.Contains(slow.Totals, total => total.Text.Contains("pg_sleep($1)", StringComparison.Ordinal) && total.MeanMilliseconds >= 300);
        Assert.DoesNotContain("secret as", slow.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("person", slow.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Figures_are_served_to_whoever_scrapes_them()
    {
        using var process = OpsProcess.Start(server.Settings, "metrics", "--listen", $"127.0.0.1:{OwnServer.FreePort()}");
        try
        {
            var said = await process.StandardError.ReadLineAsync(Given.Ct);
            using var http = new HttpClient { BaseAddress = new Uri($"http://{said!.Split(' ')[^1]}") };
            using var answer = await http.GetAsync(new Uri("/metrics", UriKind.Relative), Given.Ct);
            Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
            Assert.Contains("openreadings_outbox_rows{service=\"readings\"} 0\n", await answer.Content.ReadAsStringAsync(Given.Ct), StringComparison.Ordinal);
            using var other = await http.GetAsync(new Uri("/", UriKind.Relative), Given.Ct);
            Assert.Equal(System.Net.HttpStatusCode.NotFound, other.StatusCode);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task Every_line_of_the_figures_is_one_that_the_page_names()
    {
        var text = new PrometheusText(await Examination.RunAsync(server.Scope, Given.Ct)).ToString();
        var samples = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#').ToList();
        Assert.All(samples, sample => Assert.Matches("""^openreadings_[a-z_]+\{([a-z]+="([^"\\]|\\.)*",?)*\} (-?[0-9.]+(E[+-]?[0-9]+)?)$""", sample));
        Assert.Equal(samples.Count, samples.Select(sample => sample[..sample.LastIndexOf(' ')]).Distinct().Count());
        // The rules in deploy/observability ask for these; there is no standby, no queue and no backup here.
        string[] alerts =
        [
            "outbox_lag_seconds", "outbox_rows", "schema_pending_scripts", "schema_version", "db_connections", "wraparound_ratio", "wal_archive_failures_total",
            "db_cache_hit_ratio", "table_size_bytes",
        ];
        Assert.All(alerts, name => Assert.Contains(samples, sample => sample.StartsWith($"openreadings_{name}{{", StringComparison.Ordinal)));
    }

    private async Task<Section> LookAsync(string check) =>
        (await Examination.RunAsync(server.Scope, Given.Ct)).Sections.First(section => section.Name == check);
}
