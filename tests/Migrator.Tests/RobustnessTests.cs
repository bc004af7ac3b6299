using System.Globalization;
using Npgsql;

namespace OpenReadings.Migrator.Tests;

/// <summary>A runner that dies, is cut off or has to wait: nothing twice, nothing half, nobody held up for long.</summary>
public sealed class RobustnessTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runners_that_are_killed_again_and_again_come_to_the_end_with_each_script_run_once()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_start", """
            create table effects (script int);
            create table things (id int, size int);
            insert into things select generate_series(1, 2000);
            """);
        for (var n = 1; n <= 6; n++)
            service.Write($"2026010100000{n}_work", $"insert into effects values ({n}); select pg_sleep(0.1)");
        service.Write("20260101000007_index", "-- migrate: no-transaction\ncreate unique index concurrently things_id on things (id);");
        service.Write("20260101000008_fill", """
            -- migrate: no-transaction
            do $$
            declare n int;
            begin
                loop
                    update things set size = 1 where id in (
                        select id from things where size is null limit 200 for update skip locked);
                    get diagnostics n = row_count;
                    exit when n = 0;
                    commit;
                    perform pg_sleep(0.05);
                end loop;
            end
            $$;
            """);
        service.Write("20260101000009_work", "insert into effects values (9)");

        var (killed, exits) = (0, new List<int>());
        for (var round = 0; exits.LastOrDefault(1) != 0; round++)
        {
            Assert.True(round < 40, string.Join(' ', exits));
            using var process = service.StartCli("up", "-s", service.Name);
            var output = Task.WhenAll(process.StandardOutput.ReadToEndAsync(Ct), process.StandardError.ReadToEndAsync(Ct));
            // At another point of its life each time; the last ones are let be.
            var life = round < 12 ? TimeSpan.FromMilliseconds(250 + 60 * round) : TimeSpan.FromMinutes(1);
            if (await Task.WhenAny(process.WaitForExitAsync(Ct), Task.Delay(life, Ct)) is var _ && !process.HasExited)
            {
                killed++;
                await TestService.RunAsync("kill", [round % 3 == 2 ? "-TERM" : "-KILL", $"{process.Id}"], []);
            }
            await process.WaitForExitAsync(Ct);
            await output;
            exits.Add(process.ExitCode);
        }

        Assert.True(killed >= 3, $"killed {killed} times: {string.Join(' ', exits)}");
        Assert.Equal("1234569", await service.AskAsync<string>("select string_agg(script::text, '' order by script) from effects"));
        Assert.Equal(2000, await service.AskAsync<long>("select count(size) from things"));
        Assert.True(await service.IsValidAsync("things_id"));
        Assert.Equal(10, await service.AskAsync<long>("select count(*) from schemaversions"));
        Assert.Equal("10 applied", (await service.StatusAsync(exitCode: true)).Message);
    }

    [Theory]
    [InlineData("KILL")]
    [InlineData("TERM")]
    public async Task A_concurrent_build_that_is_killed_half_way_is_built_anew(string signal)
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "create table things (id int)");
        await service.UpAsync();
        service.Write("20260101000001_index", "-- migrate: no-transaction\ncreate index concurrently things_id on things (id)");
        await using var writer = await service.OpenAsync();
        await using var open = await writer.BeginTransactionAsync(Ct);
        await new NpgsqlCommand("insert into things values (1)", writer).ExecuteNonQueryAsync(Ct);

        using var process = service.StartCli("up", "-s", service.Name);
        var runner = $"pg_stat_activity where application_name like 'migrate/{service.Name}/%'";
        await service.UntilAsync($"exists (select from {runner} and wait_event_type = 'Lock')");
        await TestService.RunAsync("kill", [$"-{signal}", $"{process.Id}"], []);
        await process.WaitForExitAsync(Ct);
        await service.UntilAsync($"not exists (select from {runner})");

        Assert.False(await service.IsValidAsync("things_id"));
        Assert.Equal(["applied", "partial"], (await service.StatusAsync()).Scripts.Select(script => script.State));
        await open.RollbackAsync(Ct);
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.True(await service.IsValidAsync("things_id"));
    }

    [Fact]
    public async Task A_build_that_was_done_when_the_runner_was_killed_is_not_done_twice()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_index", "-- migrate: no-transaction\ncreate table t (id int);\ncreate index concurrently t_id on t (id)");
        await service.UpAsync();
        // As if the runner had died after the build and before it could write that down.
        await service.DoAsync("""
            delete from schemaversions;
            update schemaversions_meta set state = 'running', statements_done = 1,
                done_sha256 = encode(sha256('create table t (id int)'), 'hex');
            """);

        var report = await service.UpAsync();

        Assert.True(report.Exit == ExitCode.Ok, report.ToString());
        Assert.Equal("1 applied", (await service.StatusAsync(exitCode: true)).Message);
    }

    [Fact]
    public async Task A_runner_whose_connection_is_cut_ends_with_8_and_the_next_one_goes_on()
    {
        await using var service = await TestService.CreateAsync();
        await using var gate = await service.CloseGateAsync();
        service.Write("20260101000000_x", "create table x (); lock table gate");
        var run = service.UpAsync(new() { LockTimeout = TimeSpan.FromMinutes(1) });
        await service.SomebodyWaitsAtTheGateAsync();

        var shown = await Unlock.RunAsync(service.Target, terminate: false, new(), service.AddToLog, Ct);
        var status = await service.StatusAsync();
        var ended = await Unlock.RunAsync(service.Target, terminate: true, new(), service.AddToLog, Ct);
        var cut = await run;
        await gate.DisposeAsync();
        var free = await Unlock.RunAsync(service.Target, terminate: true, new(), service.AddToLog, Ct);

        Assert.Matches($@"^held by pid \d+, migrate/{service.Name}/", shown.Message!);
        Assert.Matches($@"^pid \d+, migrate/{service.Name}/", status.Lock!.Holder!);
        Assert.Matches("^ended pid ", ended.Message!);
        Assert.Equal("the lock is free", free.Message);
        Assert.Equal((ExitCode.Transient, 8), (cut.Exit, cut.Code));
        Assert.False(await service.HasAsync("x"));
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
    }

    [Fact]
    public async Task A_long_reader_holds_an_alter_up_and_the_alter_holds_nobody_up()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "create table things (id int)");
        await service.UpAsync();
        await using var reader = await service.OpenAsync();
        await using var open = await reader.BeginTransactionAsync(Ct);
        await new NpgsqlCommand("select * from things", reader).ExecuteNonQueryAsync(Ct);
        service.Write("20260101000001_alter", "alter table things add column more int");
        var soon = TimeSpan.FromMilliseconds(200);

        var given = await service.UpAsync(new()
        {
            LockTimeout = soon, RetryPause = soon, Retries = 1, WatchEvery = TimeSpan.FromMilliseconds(50),
        });
        var patient = service.UpAsync(new() { LockTimeout = soon, RetryPause = soon, Retries = 30 });
        await service.UntilAsync("exists (select from pg_locks where not granted and relation = 'things'::regclass)");
        // Behind the waiting ALTER in the queue, and served when that gives up: otherwise only when the first reader ends.
        Assert.Equal(0, await service.AskAsync<long>("select count(*) from things"));
        await open.RollbackAsync(Ct);

        Assert.Equal((ExitCode.Transient, "55P03"), (given.Exit, given.Error!.Sqlstate));
        Assert.Contains($"pid {reader.ProcessID.ToString(CultureInfo.InvariantCulture)}, ", Assert.Single(given.Error.Blocking!),
            StringComparison.Ordinal);
        Assert.Equal("1 applied, 0 pending", (await patient).Message);
    }

    [Fact]
    public async Task How_far_a_build_is_and_whom_it_waits_for_is_said_while_it_runs()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "create table things (id int)");
        await service.UpAsync();
        service.Write("20260101000001_index", "-- migrate: no-transaction\ncreate index concurrently things_id on things (id)");
        await using var writer = await service.OpenAsync();
        await using var open = await writer.BeginTransactionAsync(Ct);
        await new NpgsqlCommand("insert into things values (1)", writer).ExecuteNonQueryAsync(Ct);

        var told = new TaskCompletionSource<string>();
        var run = Migrations.UpAsync(service.Target, new() { WatchEvery = TimeSpan.FromMilliseconds(50) }, line =>
        {
            if (line.Contains("index things_id", StringComparison.Ordinal)) told.TrySetResult(line);
        }, Ct);
        var line = await told.Task.WaitAsync(TimeSpan.FromSeconds(20), Ct);
        await open.RollbackAsync(Ct);

        Assert.Matches($@"^waiting for pid {writer.ProcessID}, .*; index things_id: waiting for writers before build, 0 of 1 lockers$", line);
        Assert.Equal(ExitCode.Ok, (await run).Exit);
    }

    [Fact]
    public async Task The_batches_of_a_backfill_are_counted()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_fill", "do $$ begin raise notice 'backfilled 400'; raise notice 'backfilled 99 of x'; end $$");

        Assert.Equal(499, Assert.Single((await service.UpAsync()).Scripts).Rows);
    }
}
