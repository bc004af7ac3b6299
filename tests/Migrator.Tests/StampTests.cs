namespace OpenReadings.Migrator.Tests;

/// <summary>The journal changed without a script being run: stamp, baseline, repair, adopt.</summary>
public sealed class StampTests
{
    private static readonly RunOptions Production = new();
    private static readonly RunOptions Sure = new() { Yes = true };
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_schema_that_was_there_before_is_stamped_and_gone_on_with()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "select 1/0");
        service.Write("20260101000001_y", "create table y ()");

        var unknown = await Stamp.RunAsync(service.Target, "20260101", false, Production, service.AddToLog, Ct);
        var baseline = await Stamp.BaselineAsync(service.Target, "20260101000000_x", Production, service.AddToLog, Ct);
        var again = await Stamp.BaselineAsync(service.Target, "head", Production, service.AddToLog, Ct);

        Assert.Equal((ExitCode.Invalid, "There is no script named 20260101."), (unknown.Exit, unknown.Message));
        Assert.Equal("1 stamped, 0 forgotten", baseline.Message);
        Assert.Equal(ExitCode.Refused, again.Exit);
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.Equal("stamped applied", await service.AskAsync<string>(
            "select string_agg(state, ' ' order by scriptname) from schemaversions_meta"));
    }

    [Fact]
    public async Task A_purge_forgets_everything_first_and_asks_in_production()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");
        service.Write("20260101000001_y", "create table y ()");
        await service.UpAsync();

        var refused = await Stamp.RunAsync(service.Target, "base", true, Production, service.AddToLog, Ct);
        var purged = await Stamp.RunAsync(service.Target, "20260101000000_x", true, Sure, service.AddToLog, Ct);

        Assert.Equal(ExitCode.Refused, refused.Exit);
        Assert.Equal("1 stamped, 2 forgotten", purged.Message);
        Assert.Equal(["applied", "pending"], (await service.StatusAsync()).Scripts.Select(script => script.State));
    }

    [Fact]
    public async Task Repair_says_what_it_could_do_and_does_what_it_is_told()
    {
        await using var service = await TestService.CreateAsync();
        var old = service.Write("20260101000000_x", "create table x (id int)");
        service.Write("20260101000001_y", "create table y ()");
        await service.UpAsync();
        File.Move(old, service.Write("20260101000000_add_x", ""), overwrite: true);
        service.Write("20260101000001_y", "create table y () -- now with a remark");
        await service.DoAsync("create index broken on x (id); update pg_index set indisvalid = false "
            + "where indexrelid = 'broken'::regclass; alter index broken owner to " + $"{service.Name}_migrator");

        var stopped = await service.UpAsync();
        var told = await RepairAsync(new());
        var wrong = await RepairAsync(new() { Accept = ["20260101000000_add_x"] });
        var mended = await RepairAsync(new() { Accept = ["20260101000001_y"], Renamed = true, InvalidIndexes = true });

        Assert.Equal(ExitCode.Invalid, stopped.Exit);
        Assert.StartsWith("20260101000000_add_x.sql was applied as 20260101000000_x.sql.", stopped.Message!, StringComparison.Ordinal);
        Assert.Equal("0 repaired, 3 left", told.Message);
        Assert.Equal(
        [
            "could be repaired by --renamed: 20260101000000_x.sql is now 20260101000000_add_x.sql",
            "could be repaired by --invalid-indexes: dropped the invalid index broken",
            "could be repaired by --accept 20260101000001_y.sql: 20260101000001_y.sql was changed",
        ], told.Lines);
        Assert.Equal(ExitCode.Invalid, wrong.Exit);
        Assert.Equal("3 repaired, 0 left", mended.Message);
        Assert.False(await service.HasAsync("broken"));
        Assert.Equal("0 applied, 0 pending", (await service.UpAsync()).Message);

        Task<Report> RepairAsync(RepairOptions options) => Repair.RunAsync(service.Target, options, service.AddToLog, Ct);
    }

    [Fact]
    public async Task A_script_that_was_broken_off_is_resumed_alone_or_begun_again()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "-- migrate: no-transaction\ncreate table x ();\ncreate table x ();");
        service.Write("20260101000001_y", "create table y ()");
        await service.UpAsync();
        service.Write("20260101000000_x", "-- migrate: no-transaction\ncreate table x ();\nselect 1;");

        var other = await Resume.RunAsync(service.Target, "20260101000001_y", new(), service.AddToLog, Ct);
        var resumed = await Resume.RunAsync(service.Target, "20260101000000_x", new(), service.AddToLog, Ct);

        Assert.Equal((ExitCode.Invalid, "20260101000001_y.sql was not broken off."), (other.Exit, other.Message));
        Assert.Equal("1 applied, 1 pending", resumed.Message);
        Assert.False(await service.HasAsync("y"));

        service.Write("20260101000002_z", "-- migrate: no-transaction\ncreate table z ();\nselect 1/0;");
        Assert.Equal(ExitCode.Partial, (await service.UpAsync()).Exit);
        await service.DoAsync("drop table z", "migrator");
        var restart = await Repair.RunAsync(
            service.Target, new() { Restart = ["20260101000002_z"] }, service.AddToLog, Ct);
        service.Write("20260101000002_z", "-- migrate: no-transaction\ncreate table z ();\nselect 1;");
        Assert.Equal("1 repaired, 0 left", restart.Message);
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.True(await service.HasAsync("z"));
    }

    [Fact]
    public async Task Names_that_dbup_gave_to_embedded_resources_become_names_of_files()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "select 1/0");
        service.Write("20260101000001_y", "create table y ()");
        await service.DoAsync(JournalTests.DbUpsTable + """
            insert into schemaversions (scriptname, applied)
            values ('Shop.Scripts.20260101000000_x.sql', '2025-05-05 05:05:05');
            """, "migrator");

        var dry = await AdoptAsync(service, "embedded:Shop.Scripts.", dryRun: true);
        var wrong = await AdoptAsync(service, "embedded:Shop.");
        var adopted = await AdoptAsync(service, "embedded:Shop.Scripts.");

        Assert.Equal("1 would be adopted", dry.Message);
        Assert.Equal(ExitCode.Invalid, wrong.Exit);
        Assert.Equal(["Shop.Scripts.20260101000000_x.sql -> 20260101000000_x.sql"], adopted.Lines);
        Assert.Equal("20260101000000_x.sql 2025-05-05 05:05:05", await service.AskAsync<string>(
            "select string_agg(scriptname || ' ' || applied, ',') from schemaversions"));
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
    }

    [Fact]
    public async Task What_flyway_and_alembic_have_applied_is_taken_over()
    {
        await using var flyway = await TestService.CreateAsync();
        flyway.Write("20260101000000_add_things", "select 1/0");
        flyway.Write("20260101000001_add_more", "select 1/0");
        flyway.Write("20260101000002_new", "create table y ()");
        await flyway.DoAsync("""
            create table flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200),
                type varchar(20), script varchar(1000), checksum int, installed_by varchar(100),
                installed_on timestamp default now(), execution_time int, success boolean);
            insert into flyway_schema_history values
                (1, '1', 'add things', 'SQL', 'V1__add_things.sql', 1, 'x', '2025-05-05', 1, true),
                (2, '20260101000001', 'add more', 'SQL', 'V20260101000001__add_more.sql', 1, 'x', '2025-05-06', 1, true),
                (3, '3', 'broken', 'SQL', 'V3__broken.sql', 1, 'x', '2025-05-06', 1, false);
            """, "migrator");
        await using var alembic = await TestService.CreateAsync();
        alembic.Write("20260101000000_a", "-- Running upgrade  -> 1975ea83b712\nselect 1/0");
        alembic.Write("20260101000001_b", "-- Running upgrade 1975ea83b712 -> ae1027a6acf\nselect 1/0");
        alembic.Write("20260101000002_c", "create table y ()");
        await alembic.DoAsync("create table alembic_version (version_num varchar(32) primary key); "
            + "insert into alembic_version values ('ae1027a6acf')", "migrator");

        Assert.Equal("2 adopted", (await AdoptAsync(flyway, "flyway")).Message);
        Assert.Equal("2 adopted", (await AdoptAsync(alembic, "alembic")).Message);

        Assert.Equal("1 applied, 0 pending", (await flyway.UpAsync()).Message);
        Assert.Equal("1 applied, 0 pending", (await alembic.UpAsync()).Message);
    }

    private static Task<Report> AdoptAsync(TestService service, string from, bool dryRun = false) =>
        Adopt.RunAsync(service.Target, from, dryRun, Production, service.AddToLog, Ct);
}
