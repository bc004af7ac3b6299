using Npgsql;

namespace OpenReadings.Migrator.Tests;

public sealed class LockTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_runner_that_waits_too_long_for_another_ends_with_7_and_says_for_whom()
    {
        await using var service = await TestService.CreateAsync();
        await using var gate = await service.CloseGateAsync();
        service.Write("20260101000000_x", "create table x (); lock table gate");
        var first = service.UpAsync(new() { LockTimeout = TimeSpan.FromMinutes(1) });
        await service.SomebodyWaitsAtTheGateAsync();

        var second = await service.UpAsync(new() { LockWait = TimeSpan.FromMilliseconds(300) });
        await gate.DisposeAsync();

        Assert.Equal((ExitCode.Busy, 7, "busy"), (second.Exit, second.Code, second.Result));
        Assert.Matches($@"pid \d+, migrate/{service.Name}/", second.Message!);
        Assert.Single(service.Log, line => line.StartsWith("waiting for the lock, held by", StringComparison.Ordinal));
        Assert.Equal(ExitCode.Ok, (await first).Exit);
    }

    [Fact]
    public async Task A_table_that_is_locked_is_tried_again_and_not_queued_for()
    {
        await using var service = await TestService.CreateAsync();
        await using var gate = await service.CloseGateAsync();
        service.Write("20260101000000_x", "create table x (); alter table gate add column more int");
        var soon = TimeSpan.FromMilliseconds(100);
        var run = service.UpAsync(new() { LockTimeout = soon, RetryPause = soon });
        await service.SomebodyWaitsAtTheGateAsync();
        await service.SomebodyWaitsAtTheGateAsync(false);
        await gate.DisposeAsync();

        var report = await run;

        Assert.True(report.Exit == ExitCode.Ok, report.ToString());
        Assert.True(Assert.Single(report.Scripts).Retries >= 1);
        Assert.Contains(service.Log, line => line.StartsWith("20260101000000_x.sql: 55P03 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task When_the_tries_are_used_up_the_run_ends_with_8_and_nothing_is_left()
    {
        await using var service = await TestService.CreateAsync();
        await using var gate = await service.CloseGateAsync();
        service.Write("20260101000000_x", """
            -- migrate: lock-timeout 20ms retries 2
            create table x ();
            lock table gate
            """);

        var report = await service.UpAsync(new() { RetryPause = TimeSpan.FromMilliseconds(10) });

        Assert.Equal((ExitCode.Transient, 8), (report.Exit, report.Code));
        Assert.Equal(("55P03", 3), (report.Error!.Sqlstate, report.Error.Line));
        Assert.Equal(2, service.Log.Count(line => line.Contains("retry", StringComparison.Ordinal)));
        Assert.False(await service.HasAsync("x"));
    }

    [Fact]
    public async Task A_runner_waits_its_turn_while_another_builds_an_index()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", "create table things (id int)");
        await service.UpAsync();
        service.Write("20260101000001_index_things", """
            -- migrate: no-transaction
            create index concurrently things_id on things (id)
            """);
        await using var writer = await service.OpenAsync();
        await using var open = await writer.BeginTransactionAsync(Ct);
        await new NpgsqlCommand("insert into things values (1)", writer).ExecuteNonQueryAsync(Ct);

        // The build waits for the open transaction, the second runner for the first: no deadlock, because it polls.
        var runs = new[] { service.UpAsync(), service.UpAsync() };
        var runners = $"pg_stat_activity where application_name like 'migrate/{service.Name}/%'";
        await service.UntilAsync($"exists (select from {runners} and wait_event_type = 'Lock')");
        await service.UntilAsync($"2 = (select count(*) from {runners})");
        await open.RollbackAsync(Ct);

        Assert.All(await Task.WhenAll(runs), report => Assert.True(report.Exit == ExitCode.Ok, report.ToString()));
        Assert.True(await service.IsValidAsync("things_id"));
    }

    [Fact]
    public async Task A_run_that_is_stopped_rolls_back_and_gives_the_lock_away()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x (); select pg_sleep(60)");
        using var stop = new CancellationTokenSource();
        var run = service.UpAsync(ct: stop.Token);
        await service.UntilAsync(
            "exists (select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep')");

        await stop.CancelAsync();

        var report = await run;
        Assert.Equal((ExitCode.Interrupted, 143, "interrupted"), (report.Exit, report.Code, report.Result));
        Assert.False(await service.HasAsync("x"));
        service.Write("20260101000000_x", "create table x ()");
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync(new() { LockWait = TimeSpan.Zero })).Message);
    }
}
