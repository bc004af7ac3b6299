using System.Text.Json;

namespace OpenReadings.Migrator.Tests;

public sealed class CliTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Up_and_status_say_in_text_what_was_done()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");

        var (pending, before) = await service.CliAsync("status", "--service", service.Name, "--exit-code");
        var (up, done) = await service.CliAsync("up", "-s", service.Name);
        var (ok, after) = await service.CliAsync("status", "-s", service.Name, "--exit-code");

        Assert.Equal((3, 0, 0), (pending, up, ok));
        Assert.Matches($@"^pending +20260101000000_x\.sql\n{service.Name}: 1 pending \(", before);
        Assert.Matches($@"^{service.Name}: to apply: 20260101000000_x\.sql\n{service.Name}: applied 20260101000000_x\.sql \(1 statements, \d+ ms\)\n", done);
        Assert.Matches($@"\n{service.Name}: 1 applied, 0 pending \(", done);
        Assert.Matches($@"^applied +20[\d-]+ [\d:]+  20260101000000_x\.sql\n{service.Name}: 1 applied \(", after);
    }

    [Fact]
    public async Task The_last_line_is_one_json_document_on_success_and_on_failure()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        service.Write("20260101000001_y", "create table y (\n  id nothing)");

        var (exit, output) = await service.CliAsync("up", "-s", service.Name, "-o", "json");
        var (again, status) = await service.CliAsync("status", "-s", service.Name, "-o", "json", "--exit-code");

        Assert.Equal((5, 3), (exit, again));
        var report = Last(output);
        Assert.Equal(
            [service.Name, service.Name, "public", "up", "5", "failed"],
            Values(report, "service", "database", "schema", "command", "exit_code", "result"));
        Assert.True(report.GetProperty("lock").GetProperty("waited_ms").GetInt64() >= 0);
        var script = Assert.Single(report.GetProperty("scripts").EnumerateArray());
        Assert.Equal(
            ["20260101000000_x.sql", "applied", "transaction", "1", "0"],
            Values(script, "name", "state", "mode", "statements", "retries"));
        Assert.Equal(64, script.GetProperty("sha256").GetString()!.Length);
        Assert.Equal(
            ["20260101000001_y.sql", "2", "6", "42704", "type \"nothing\" does not exist"],
            Values(report.GetProperty("error"), "script", "line", "column", "sqlstate", "message"));
        var rows = Last(status).GetProperty("scripts").EnumerateArray().ToList();
        Assert.Equal(["applied", $"{service.Name}_migrator"], Values(rows[0], "state", "applied_by"));
        Assert.Equal(["pending"], Values(rows[1], "state"));
    }

    [Fact]
    public async Task All_services_are_done_each_with_its_own_key_and_one_that_fails_does_not_stop_the_others()
    {
        await using var one = await TestService.CreateAsync();
        await using var two = await TestService.CreateAsync();
        one.Write("20260101000000_x", "select 1/0");
        Directory.CreateDirectory(Path.Combine(one.ScriptsRoot, two.Name));
        one.Write("20260101000000_x", "create table x ()", two.Name);
        var secrets = Directory.CreateTempSubdirectory("migrator-tests-").FullName;
        var file = Path.Combine(secrets, $"ConnectionStrings__{one.Name}_migrator");
        await File.WriteAllTextAsync(file, one.ConnectionString("migrator") + "\n", Ct);
        string[] arguments = ["up", "--service", "all", "--scripts", one.ScriptsRoot, "-o", "json"];

        (string, string) files = ("SECRETS_DIRECTORY", secrets);
        (string, string) variable = ($"ConnectionStrings__{two.Name}_migrator", two.ConnectionString("migrator"));

        var (missing, said) = await TestService.RunAsync(TestService.Migrate, arguments, [files]);
        var (exit, output) = await TestService.RunAsync(TestService.Migrate, arguments, [files, variable]);
        Directory.Delete(secrets, recursive: true);

        Assert.Equal((2, 5), (missing, exit));
        Assert.Contains($"ConnectionStrings__{two.Name}_migrator", said, StringComparison.Ordinal);
        var services = Last(output).GetProperty("services").EnumerateArray().ToDictionary(
            report => report.GetProperty("service").GetString()!, report => report.GetProperty("exit_code").GetInt32());
        Assert.Equal((5, 0), (services[one.Name], services[two.Name]));
        Assert.DoesNotContain(one.Password, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("undo")]
    [InlineData("up --service")]
    [InlineData("up")]
    [InlineData("up --service nobody")]
    [InlineData("up --service all --connection Host=x;Database=y")]
    [InlineData("up --service {service} --lock-wait soon")]
    [InlineData("up --service {service} --steps 0")]
    [InlineData("up --service {service} --output xml")]
    [InlineData("up --service {service} --connection nonsense")]
    [InlineData("status --service {service} --wait-attempts 0")]
    [InlineData("create --service nobody add_things")]
    [InlineData("create add_things")]
    public async Task What_is_not_understood_ends_with_2_and_a_sentence(string arguments)
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);

        var text = arguments.Replace("{service}", service.Name, StringComparison.Ordinal);

        var (exit, output) = await service.CliAsync(text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(2, exit);
        Assert.NotEmpty(output);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_prints_the_path_and_up_applies_what_it_made()
    {
        await using var service = await TestService.CreateAsync();
        service.WriteOwnRows();

        var (exit, output) = await service.CliAsync("create", "add_things", "--service", service.Name);

        Assert.Equal(0, exit);
        Assert.Matches($@"{service.Name}/\d{{14}}_add_things\.sql\n$", output);
        Assert.Equal(0, (await service.CliAsync("up", "-s", service.Name)).Exit);
        Assert.True(await service.AskAsync<bool>("select relforcerowsecurity from pg_class where relname = 'things'"));
    }

    [Theory]
    [InlineData("KILL")]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task A_runner_that_is_killed_in_the_middle_leaves_nothing_half_applied(string signal)
    {
        await using var service = await TestService.CreateAsync();
        var gate = await service.CloseGateAsync();
        service.Write("20260101000000_x", """
            create table x (id int);
            insert into x values (1);
            lock table gate;
            insert into x values (2);
            """);
        using var process = service.StartCli("up", "-s", service.Name, "--lock-timeout", "1min");
        await service.SomebodyWaitsAtTheGateAsync();

        await TestService.RunAsync("kill", [$"-{signal}", $"{process.Id}"], []);
        await process.WaitForExitAsync(Ct);

        Assert.Equal(signal == "KILL" ? 137 : 143, process.ExitCode);
        Assert.False(await service.HasAsync("x"));
        // The gate stays closed: the lock must go because the server notices, and not because the statement ends.
        await service.UntilAsync(
            $"not exists (select from pg_stat_activity where application_name like 'migrate/{service.Name}/%')");
        await gate.DisposeAsync();
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.Equal(2, await service.AskAsync<long>("select count(*) from x"));
    }

    private static JsonElement Last(string output) =>
        JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]).RootElement;

    private static string[] Values(JsonElement of, params string[] names) =>
        [.. names.Select(name => of.GetProperty(name).ToString())];
}
