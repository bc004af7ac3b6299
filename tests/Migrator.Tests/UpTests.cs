namespace OpenReadings.Migrator.Tests;

public sealed class UpTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_second_run_finds_nothing_to_do()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", "create table things (id int); insert into things values (1), (2);");

        var first = await service.UpAsync();
        var second = await service.UpAsync();

        Assert.Equal("1 applied, 0 pending", first.Message);
        var script = Assert.Single(first.Scripts);
        Assert.Equal(("20260101000000_add_things.sql", "applied"), (script.Name, script.State));
        Assert.Equal(("transaction", 2, 2L), (script.Mode, script.Statements, script.Rows));
        Assert.Equal((ExitCode.Ok, "0 applied, 0 pending"), (second.Exit, second.Message));
        Assert.Empty(second.Scripts);
        Assert.Equal(2, await service.AskAsync<long>("select count(*) from things"));
    }

    [Fact]
    public async Task Four_and_twenty_runners_at_once_run_each_script_once()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_effects", "create table effects (script int)");
        for (var n = 1; n <= 8; n++)
            service.Write($"2026010100000{n}_work", $"select pg_sleep(0.02); insert into effects values ({n})");

        var reports = await Task.WhenAll(Enumerable.Range(0, 24).Select(_ => service.UpAsync()));

        Assert.All(reports, report => Assert.True(report.Exit == ExitCode.Ok, report.ToString()));
        Assert.Equal(9, reports.Sum(report => report.Scripts.Count));
        Assert.Equal("12345678", await service.AskAsync<string>("select string_agg(script::text, '') from effects"));
        Assert.Equal(9, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Fact]
    public async Task Shared_scripts_come_first_and_then_the_services_own_each_by_name()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20250101000000_b", "insert into steps values ('service 2025')");
        service.Write("20240101000000_b", "insert into steps values ('service 2024')");
        service.Write("20260101000000_a", "create table steps (step text)", "shared");
        service.Write("20260101000001_a", "insert into steps values ('shared 2026')", "shared");
        await service.UpAsync();
        service.Write("20270101000000_a", "insert into steps values ('shared 2027')", "shared");
        service.Write("20250601000000_b", "insert into steps values ('service 2025-06')");

        Assert.Equal("2 applied, 0 pending", (await service.UpAsync()).Message);

        Assert.Equal("shared 2026, service 2024, service 2025, shared 2027, service 2025-06",
            await service.AskAsync<string>("select string_agg(step, ', ') from steps"));
    }

    [Fact]
    public async Task A_run_goes_as_far_as_it_is_told_and_no_further()
    {
        await using var service = await TestService.CreateAsync();
        for (var n = 1; n <= 4; n++) service.Write($"2026010100000{n}_step", $"create table step{n} ()");

        Assert.Equal("1 applied, 3 pending", (await service.UpAsync(new() { Steps = 1 })).Message);
        Assert.Equal("2 applied, 1 pending", (await service.UpAsync(new() { To = "20260101000003_step" })).Message);
        Assert.Equal("0 applied, 1 pending", (await service.UpAsync(new() { To = "20260101000001_step.sql" })).Message);
        var unknown = await service.UpAsync(new() { To = "20260101000009_step" });

        Assert.Equal(ExitCode.Invalid, unknown.Exit);
        Assert.Equal("There is no script named 20260101000009_step.", unknown.Message);
    }

    [Fact]
    public async Task A_dry_run_executes_everything_and_leaves_nothing()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", "create table things (thing_id int); set search_path = pg_catalog;");
        service.Write("20260101000001_fill_things", "insert into things values (1)");
        service.Write("20260101000002_index_things", """
            -- migrate: no-transaction
            create index concurrently things_id on things (thing_id);
            """);

        var good = await service.UpAsync(new() { DryRun = true });
        service.Write("20260101000003_break", "insert into things values ('x')");
        var bad = await service.UpAsync(new() { DryRun = true });

        Assert.Equal((ExitCode.Ok, "3 of 3 pending tried and rolled back"), (good.Exit, good.Message));
        Assert.Equal(["tried", "tried", "not-tried"], good.Scripts.Select(script => script.State));
        Assert.Equal((ExitCode.Failed, "22P02"), (bad.Exit, bad.Error!.Sqlstate));
        Assert.Equal(0, await service.AskAsync<long>(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"));
    }

    [Fact]
    public async Task What_a_script_sets_for_itself_ends_with_it()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_set", """
            create schema other;
            set search_path = other;
            set timezone = 'Asia/Kathmandu';
            set lock_timeout = 1;
            set row_security = on;
            create table t ();
            """);
        service.Write("20260101000001_see", """
            create table seen as select concat_ws(' ', current_setting('search_path'), current_setting('timezone'),
                current_setting('row_security'), current_setting('lock_timeout'), current_setting('statement_timeout'),
                current_setting('application_name'), current_setting('client_connection_check_interval')) as settings
            """);

        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);

        Assert.Equal($"public UTC off 2s 15min migrate/{service.Name}/{Environment.MachineName} 2s",
            await service.AskAsync<string>("select settings from seen"));
    }

    [Fact]
    public async Task What_the_server_remarks_becomes_a_line_of_the_log()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_talk", "do $$ begin raise notice 'backfilled 500'; raise warning 'slow'; end $$");

        await service.UpAsync();

        Assert.Equal(["notice: backfilled 500", "warning: slow"], service.Log.Skip(1).Take(2));
    }

    [Fact]
    public async Task Sql_standard_functions_and_procedures_that_commit_are_created_whole()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_functions", """
            create function seven() returns int begin atomic select 1; select 7; end;
            create procedure work() language plpgsql as $body$ begin commit; end $body$;
            """);

        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);
        Assert.Equal(7, await service.AskAsync<int>("select seven()"));
    }

    [Fact]
    public async Task The_shared_scripts_of_the_repository_run_and_the_app_may_read_the_journal()
    {
        await using var service = await TestService.CreateAsync();
        var scripts = Path.Combine(TestService.Repository, "db", "scripts");

        // As the test projects call it; a service without scripts of its own gets the shared ones.
        var report = await Migrations.UpAsync(service.ConnectionString("migrator"), scripts, "chassis", Ct);

        Assert.Equal(Directory.GetFiles(Path.Combine(scripts, "shared")).Length, report.Scripts.Count);
        Assert.Equal(report.Scripts.Count, await service.AskAsync<long>("select count(*) from schemaversions", "app"));
        Assert.Equal(
            $"{service.Name}_app", await service.AskAsync<string>("select service_role('app')::text", "migrator"));
    }

    [Fact]
    public async Task Called_in_process_a_run_that_fails_throws_and_one_that_is_stopped_is_cancelled()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_break", "select 1/0");
        Task Run(string root, CancellationToken ct) =>
            Migrations.UpAsync(service.ConnectionString("migrator"), root, service.Name, ct);

        var failed = await Assert.ThrowsAsync<MigrationException>(() => Run(service.ScriptsRoot, Ct));
        var nowhere = await Assert.ThrowsAsync<MigrationException>(() => Run("/nowhere", Ct));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Run(service.ScriptsRoot, new CancellationToken(canceled: true)));

        Assert.Equal((ExitCode.Failed, "22012"), (failed.Exit, failed.Error!.Sqlstate));
        Assert.Equal(ExitCode.Usage, nowhere.Exit);
    }
}
