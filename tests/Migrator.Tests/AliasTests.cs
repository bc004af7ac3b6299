using System.Net;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Migrator.Tests;

/// <summary>What people type who come from elsewhere, and what programs read.</summary>
public sealed class AliasTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_words_of_alembic_work()
    {
        await using var service = await TestService.CreateAsync();
        foreach (var n in new[] { 1, 2, 3 })
        {
            service.Write($"2026010100000{n}_t{n}", $"create table t{n} ()");
            service.WriteRollback($"2026010100000{n}_t{n}", $"drop table t{n}");
        }

        Assert.Contains("1 applied, 2 pending", await SaysAsync("upgrade", "+1"), StringComparison.Ordinal);
        Assert.Contains("create table t2 ()", await SaysAsync("upgrade", "head", "--sql"), StringComparison.Ordinal);
        Assert.Contains("1 applied, 1 pending", await SaysAsync("upgrade", "20260101000002_t2"), StringComparison.Ordinal);
        Assert.Contains("1 applied, 0 pending", await SaysAsync("upgrade", "head"), StringComparison.Ordinal);
        Assert.Contains("1 reverted", await SaysAsync("downgrade", "-1", "--backup-ok"), StringComparison.Ordinal);
        Assert.Matches(@"^applied +[\d-]+ [\d:]+  20260101000002_t2\.sql\n\w+: ", await SaysAsync("current"));
        Assert.Matches(@"^pending +20260101000003_t3\.sql\n\w+: ", await SaysAsync("heads"));
        Assert.Matches(@"^pending +20260101000003_t3\.sql\n\w+: ", await SaysAsync("pending"));
        Assert.Matches($@"^applied .*_t2\.sql  {service.Name}_migrator  [0-9a-f]{{64}}\napplied .*_t1\.sql  ",
            await SaysAsync("history", "--verbose"));
        Assert.Contains("1 stamped", await SaysAsync("stamp", "head"), StringComparison.Ordinal);
        Assert.Contains("2 reverted", await SaysAsync("downgrade", "20260101000001_t1", "--env", "dev"), StringComparison.Ordinal);
        Assert.Matches(@"_add_things\.sql\n.*rollback.*_add_things\.sql\n",
            await SaysAsync("revision", "-m", "add things", "--with-rollback"));

        async Task<string> SaysAsync(params string[] arguments)
        {
            // Going back needs the table that the stamp only claimed.
            if (arguments is ["stamp", ..]) await service.DoAsync("create table t3 ()", "migrator");
            var (exit, output) = await service.CliAsync([.. arguments, "-s", service.Name]);
            Assert.True(exit == 0, output);
            return output;
        }
    }

    [Fact]
    public async Task An_app_waits_with_its_own_key()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        await service.UpAsync();

        var (exit, output) = await TestService.RunAsync(TestService.Migrate,
            ["wait", "--for-schema", "--role", "app", "-s", service.Name, "--scripts", service.ScriptsRoot],
            [("ConnectionStrings__app", service.ConnectionString("app"))]);

        Assert.True(exit == 0, output);
    }

    [Fact]
    public async Task What_was_asked_for_as_a_document_is_alone_on_stdout()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        await service.UpAsync();

        Assert.Matches("^[0-9a-f]{64}\n$", await StdoutAsync("manifest"));
        Assert.StartsWith("CREATE TABLE public.schemaversions (", await StdoutAsync("dump"), StringComparison.Ordinal);
        Assert.StartsWith("-- migrate plan", await StdoutAsync("plan"), StringComparison.Ordinal);

        async Task<string> StdoutAsync(string verb)
        {
            using var process = service.StartCli(verb, "-s", service.Name);
            var output = await process.StandardOutput.ReadToEndAsync(Ct);
            await process.WaitForExitAsync(Ct);
            Assert.Equal(0, process.ExitCode);
            return output;
        }
    }

    [Fact]
    public async Task There_is_a_report_on_every_outcome_and_in_a_file_if_wanted()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "select 1/0");
        var file = Path.Combine(service.Folder, "report.json");

        var (failed, _) = await service.CliAsync("up", "-s", service.Name, "--report", file);
        var (usage, said) = await service.CliAsync("up", "-s", service.Name, "--steps", "0", "-o", "json");
        var (refused, refusal) = await service.CliAsync("down", "-1", "-s", service.Name, "-o", "json");

        Assert.Equal((5, 2, 9), (failed, usage, refused));
        Assert.Equal("22012", JsonDocument.Parse(await File.ReadAllTextAsync(file, Ct)).RootElement
            .GetProperty("error").GetProperty("sqlstate").GetString());
        Assert.Equal(2, Last(said).GetProperty("exit_code").GetInt32());
        Assert.Equal("refused", Last(refusal).GetProperty("result").GetString());
    }

    [Fact]
    public async Task Spans_and_metrics_go_to_the_collector_that_is_named()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        using var collector = new HttpListener();
        var endpoint = Listen(collector);
        var received = CollectAsync(collector);

        var (exit, output) = await TestService.RunAsync(TestService.Migrate,
            ["up", "-s", service.Name, "--scripts", service.ScriptsRoot, "-c", service.ConnectionString("migrator")],
            [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
        collector.Stop();
        var bodies = await received;

        Assert.True(exit == 0, output);
        Assert.Contains("script 20260101000000_x.sql", bodies["/v1/traces"], StringComparison.Ordinal);
        Assert.Contains("migrate up", bodies["/v1/traces"], StringComparison.Ordinal);
        string[] metrics = ["migrations_applied_total", "migration_duration_seconds", "migration_pending", "lock_wait_seconds"];
        Assert.All(metrics, name => Assert.Contains(name, bodies["/v1/metrics"], StringComparison.Ordinal));
    }

    private static string Listen(HttpListener listener)
    {
        while (true)
        {
            var prefix = $"http://127.0.0.1:{Random.Shared.Next(20000, 30000)}/";
            listener.Prefixes.Add(prefix);
            try
            {
                listener.Start();
                return prefix;
            }
            catch (HttpListenerException)
            {
                listener.Prefixes.Clear();
            }
        }
    }

    /// <summary>Everything that is sent, by path, until the listener stops: a slow run sends more than once.</summary>
    private static async Task<Dictionary<string, string>> CollectAsync(HttpListener listener)
    {
        var bodies = new Dictionary<string, string>();
        while (true)
        {
            try
            {
                var context = await listener.GetContextAsync();
                using var body = new StreamReader(context.Request.InputStream, Encoding.Latin1);
                bodies[context.Request.Url!.AbsolutePath] =
                    bodies.GetValueOrDefault(context.Request.Url.AbsolutePath) + await body.ReadToEndAsync(Ct);
                context.Response.Close();
            }
            catch (Exception) when (!listener.IsListening)
            {
                return bodies;
            }
        }
    }

    private static JsonElement Last(string output) => JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]).RootElement;
}
