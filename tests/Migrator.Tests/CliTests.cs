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
        Assert.Matches($@"^{service.Name}: applied 20260101000000_x\.sql \(1 statements, \d+ ms\)\n{service.Name}: 1 applied, 0 pending \(", done);
        Assert.Matches($@"^applied +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  20260101000000_x\.sql\n{service.Name}: 1 applied \(", after);
    }

    [Fact]
    public async Task The_last_line_is_one_json_document_on_success_and_on_failure()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        service.Write("20260101000001_y", "create table y (\n  id nothing)");

        var (exit, output) = await service.CliAsync("up", "-s", service.Name, "-o", "json");
        var (again, status) = await service.CliAsync("status", "-s", service.Name, "-o", "json", "--exit-code");

        var report = JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]).RootElement;
        Assert.Equal((5, 3), (exit, again));
        Assert.Equal(
            (service.Name, service.Name, "public", "up", 5, "failed"),
            (report.GetProperty("service").GetString(), report.GetProperty("database").GetString(), report.GetProperty("schema").GetString(),
                report.GetProperty("command").GetString(), report.GetProperty("exit_code").GetInt32(), report.GetProperty("result").GetString()));
        var script = Assert.Single(report.GetProperty("scripts").EnumerateArray());
        Assert.Equal(("20260101000000_x.sql", "applied", 1, 0), (script.GetProperty("name").GetString(), script.GetProperty("state").GetString(),
            script.GetProperty("statements").GetInt32(), script.GetProperty("retries").GetInt32()));
        Assert.Equal(64, script.GetProperty("sha256").GetString()!.Length);
        var error = report.GetProperty("error");
        Assert.Equal(("20260101000001_y.sql", 2, 6, "42704", "type \"nothing\" does not exist"), (error.GetProperty("script").GetString(),
            error.GetProperty("line").GetInt32(), error.GetProperty("column").GetInt32(), error.GetProperty("sqlstate").GetString(),
            error.GetProperty("message").GetString()));
        Assert.True(report.GetProperty("lock").GetProperty("waited_ms").GetInt64() >= 0);
        Assert.Equal(
            [$"applied {service.Name}_migrator", "pending "], JsonDocument.Parse(status).RootElement.GetProperty("scripts").EnumerateArray()
                .Select(row => $"{row.GetProperty("state")} {(row.TryGetProperty("applied_by", out var by) ? by : "")}"));
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
        await File.WriteAllTextAsync(Path.Combine(secrets, $"ConnectionStrings__{one.Name}_migrator"), one.ConnectionString("migrator") + "\n", Ct);
        string[] arguments = ["up", "--service", "all", "--scripts", one.ScriptsRoot, "-o", "json"];

        var (missing, said) = await TestService.RunAsync(TestService.Migrate, arguments, [("SECRETS_DIRECTORY", secrets)]);
        var (exit, output) = await TestService.RunAsync(
            TestService.Migrate, arguments, [("SECRETS_DIRECTORY", secrets), ($"ConnectionStrings__{two.Name}_migrator", two.ConnectionString("migrator"))]);
        Directory.Delete(secrets, recursive: true);

        Assert.Equal((2, 5), (missing, exit));
        Assert.Contains($"ConnectionStrings__{two.Name}_migrator", said, StringComparison.Ordinal);
        var services = JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]).RootElement.GetProperty("services").EnumerateArray()
            .ToDictionary(report => report.GetProperty("service").GetString()!, report => report.GetProperty("exit_code").GetInt32());
        Assert.Equal((5, 0), (services[one.Name], services[two.Name]));
        Assert.DoesNotContain(one.Password, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("down")]
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

        var (exit, output) = await service.CliAsync(
            arguments.Replace("{service}", service.Name, StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(2, exit);
        Assert.NotEmpty(output);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_prints_the_path_and_up_applies_what_it_made()
    {
        await using var service = await TestService.CreateAsync();
        File.Copy(
            Directory.GetFiles(Path.Combine(TestService.Repository, "db", "scripts", "shared")).Order(StringComparer.Ordinal).First(),
            Path.Combine(service.ScriptsRoot, "shared", "20200101000000_say_who_the_user_is.sql"));

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
        service.Write("20260101000000_x", "create table x (id int); insert into x values (1); lock table gate; insert into x values (2)");
        using var process = service.StartCli("up", "-s", service.Name, "--lock-timeout", "1min");
        await service.SomebodyWaitsAtTheGateAsync();

        await TestService.RunAsync("kill", [$"-{signal}", $"{process.Id}"], []);
        await process.WaitForExitAsync(Ct);

        Assert.Equal(signal == "KILL" ? 137 : 143, process.ExitCode);
        Assert.Equal("(none)", await service.AskAsync<string>("select coalesce(to_regclass('x')::text, '(none)')"));
        // The gate stays closed: the dead runner's lock must go because the server notices, and not because its statement ends.
        await service.UntilAsync($"not exists (select from pg_stat_activity where application_name like 'migrate/{service.Name}/%')");
        await gate.DisposeAsync();
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.Equal(2, await service.AskAsync<long>("select count(*) from x"));
    }
}
