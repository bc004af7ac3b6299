namespace OpenReadings.Migrator.Tests;

/// <summary>What the header and the flags keep from running, and when.</summary>
public sealed class PhaseTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_takes_away_waits_for_a_run_of_its_own_and_is_not_late_then()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_start", "create table things (old int)");
        await service.UpAsync();
        service.Write("20260101000001_drop_old", "-- migrate: phase contract\nalter table things drop column old");
        service.Write("20260101000002_add_new", "alter table things add column new int");

        var together = await service.UpAsync();
        var expand = await service.UpAsync(new() { Phase = Phase.Expand });
        var contract = await service.UpAsync();

        Assert.Equal(ExitCode.Refused, together.Exit);
        Assert.Empty(together.Scripts);
        Assert.Equal("1 applied, 1 pending", expand.Message);
        Assert.Equal(Phase.Contract, Assert.Single(contract.Scripts).Phase);
        Assert.Equal("3 applied", (await service.StatusAsync(exitCode: true)).Message);
    }

    [Fact]
    public async Task A_new_database_takes_all_phases_at_once()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000001_add", "create table things (old int, new int)");
        service.Write("20260101000002_drop_old", "-- migrate: phase contract\nalter table things drop column old");

        Assert.Equal("2 applied, 0 pending", (await service.UpAsync()).Message);
    }

    [Fact]
    public async Task A_script_for_other_places_is_skipped_and_not_journaled()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_people", "-- migrate: env dev,staging\ncreate table people ()");
        service.Write("20260101000001_x", "create table x ()");

        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.Equal(["skipped", "applied"], (await service.StatusAsync(exitCode: true)).Scripts.Select(script => script.State));
        Assert.Equal(1, await service.AskAsync<long>("select count(*) from schemaversions"));

        var dev = await service.UpAsync(new() { Environment = "dev", AllowLate = true });
        Assert.Equal("1 applied, 0 pending", dev.Message);
    }

    [Fact]
    public async Task A_script_does_not_run_without_the_one_it_requires()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000001_fill", "-- migrate: phase data\ncreate table filled ()");
        service.Write("20260101000002_use", "-- migrate: requires 20260101000001_fill.sql\ncreate table used ()");

        var without = await service.UpAsync(new() { Phase = Phase.Expand });

        Assert.Equal((ExitCode.Invalid, "20260101000002_use.sql requires 20260101000001_fill.sql, "
            + "which would not be applied before it."), (without.Exit, without.Message));
        Assert.Equal("2 applied, 0 pending", (await service.UpAsync()).Message);
    }

    [Fact]
    public async Task A_repeatable_script_runs_last_and_again_when_its_text_changes()
    {
        await using var service = await TestService.CreateAsync();
        service.WriteRepeatable("count_things", "create or replace view counted as select count(*) as n from things");
        service.Write("20260101000000_add", "create table things (id int)");
        var first = await service.UpAsync();
        var second = await service.UpAsync();
        service.WriteRepeatable("count_things", "create or replace view counted as select count(*) + 1 as n from things");
        var third = await service.UpAsync();

        Assert.Equal(["20260101000000_add.sql", "repeatable/count_things.sql"], first.Scripts.Select(script => script.Name));
        Assert.Empty(second.Scripts);
        Assert.Single(third.Scripts);
        Assert.Equal(1, await service.AskAsync<long>("select n from counted"));
        Assert.Equal(1, await service.AskAsync<long>("select count(*) from schemaversions"));
        Assert.Equal("2 applied", (await service.StatusAsync(exitCode: true)).Message);
    }

    [Fact]
    public async Task Nothing_is_applied_without_a_backup_that_is_young_enough()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        var backups = Directory.CreateDirectory(Path.Combine(service.Folder, "backups")).FullName;
        var gate = new BackupOptions(TimeSpan.FromHours(24), backups);

        var none = await service.UpAsync(new() { Backup = gate });
        Add(DateTimeOffset.UtcNow.AddHours(-30), finished: true);
        Add(DateTimeOffset.UtcNow.AddMinutes(-5), finished: false);
        var old = await service.UpAsync(new() { Backup = gate });
        var hook = await service.UpAsync(new() { Backup = gate with { Hook = "echo no room on disk >&2; exit 3" } });
        Add(DateTimeOffset.UtcNow.AddHours(-2), finished: true);
        var young = await service.UpAsync(new() { Backup = gate with { Hook = "test \"$SERVICE\" = " + service.Name } });
        var nothingToDo = await service.UpAsync(new() { Backup = new(TimeSpan.Zero, backups) });

        Assert.Equal((ExitCode.Refused, $"{backups} holds no finished backup."), (none.Exit, none.Message));
        Assert.Equal(ExitCode.Refused, old.Exit);
        Assert.Contains(" 30.0 h old", old.Message, StringComparison.Ordinal);
        Assert.Equal((ExitCode.Refused, "The backup hook ended with 3: no room on disk"), (hook.Exit, hook.Message));
        Assert.True(young.Exit == ExitCode.Ok, young.ToString());
        Assert.Equal(ExitCode.Ok, nothingToDo.Exit);

        void Add(DateTimeOffset at, bool finished)
        {
            var folder = Directory.CreateDirectory(Path.Combine(backups, at.ToString("yyyyMMdd'T'HHmmss'Z'")));
            if (finished) File.WriteAllText(Path.Combine(folder.FullName, "manifest.json"), "{}");
        }
    }

    [Fact]
    public async Task A_run_that_takes_longer_than_it_may_rolls_back_and_ends_with_8()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_slow", "create table x (); select pg_sleep(60)");

        var report = await service.UpAsync(new() { MaxDuration = TimeSpan.FromMilliseconds(800) });

        Assert.Equal(ExitCode.Transient, report.Exit);
        Assert.False(await service.HasAsync("x"));
    }

    [Fact]
    public async Task An_app_waits_for_its_schema_with_its_own_login_and_a_newer_one_will_do()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        var drop = service.Write("20260101000001_drop", "-- migrate: phase contract\nselect 1");
        var app = service.Target with { ConnectionString = service.ConnectionString("app") };
        var patience = new Patience { Attempts = 2, PauseAsync = _ => Task.CompletedTask };

        var before = await Wait.ForSchemaAsync(app, new() { Patience = patience }, service.AddToLog, Ct);
        var during = await Wait.ForSchemaAsync(app, new()
        {
            Patience = patience with
            {
                PauseAsync = async _ =>
            await service.UpAsync(new() { Phase = Phase.Expand })
            }
        }, service.AddToLog, Ct);
        await service.UpAsync();
        File.Delete(drop);
        var older = await Wait.ForSchemaAsync(app, new() { Patience = patience }, service.AddToLog, Ct);

        Assert.Equal((ExitCode.Pending, "1 scripts are missing, first 20260101000000_x.sql"), (before.Exit, before.Message));
        Assert.Equal((ExitCode.Ok, ExitCode.Ok), (during.Exit, older.Exit));
    }
}
