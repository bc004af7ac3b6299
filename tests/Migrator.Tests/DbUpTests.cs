using DbUp;
using DbUp.Engine;
using DbUp.Engine.Output;

namespace OpenReadings.Migrator.Tests;

/// <summary>DbUp itself takes our journal over, and we take over its.</summary>
public sealed class DbUpTests
{
    [Fact]
    public async Task DbUp_goes_on_with_our_journal_and_we_go_on_with_what_it_added()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_a", "create table a (id int)");
        await service.UpAsync();
        service.Write("20260101000001_b", "create function b() returns int language sql as $body$ select 1 $body$;");

        var upgrade = DbUpFor(service).PerformUpgrade();
        var status = await service.StatusAsync(exitCode: true);
        service.Write("20260101000002_c", "create table c ()");
        var ours = await service.UpAsync();

        Assert.True(upgrade.Successful, upgrade.Error?.ToString());
        Assert.Equal(["20260101000001_b.sql"], upgrade.Scripts.Select(script => script.Name));
        Assert.Equal(["applied", "applied-hash-unknown"], status.Scripts.Select(script => script.State));
        Assert.Equal("1 applied, 0 pending", ours.Message);
        Assert.False(DbUpFor(service).IsUpgradeRequired());
    }

    [Fact]
    public async Task A_database_that_dbup_made_from_nothing_is_ours_to_go_on_with()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_a", "create table a (id int)");

        var upgrade = DbUpFor(service).PerformUpgrade();
        service.Write("20260101000001_b", "create table b ()");
        var ours = await service.UpAsync();

        Assert.True(upgrade.Successful, upgrade.Error?.ToString());
        Assert.Equal("1 applied, 0 pending", ours.Message);
        Assert.Equal(["20260101000000_a.sql: applied by DbUp, hash unknown"], ours.Warnings);
        Assert.False(DbUpFor(service).IsUpgradeRequired());
    }

    [Fact]
    public async Task The_two_tables_are_the_same_but_for_our_index()
    {
        await using var dbUps = await TestService.CreateAsync();
        await using var ours = await TestService.CreateAsync();
        dbUps.Write("20260101000000_a", "select 1");
        ours.Write("20260101000000_a", "select 1");
        Assert.True(DbUpFor(dbUps).PerformUpgrade().Successful);
        await ours.UpAsync();

        Assert.Equal(await ShapeAsync(dbUps), await ShapeAsync(ours));

        static Task<string> ShapeAsync(TestService service) => service.AskAsync<string>("""
            select string_agg(line, E'\n') from (
                select concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)) as line
                from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
                where attrelid = 'public.schemaversions'::regclass and attnum > 0
                union all
                select format('%I %s', conname, pg_get_constraintdef(oid))
                from pg_constraint where conrelid = 'public.schemaversions'::regclass
            ) lines
            """);
    }

    // A takeover host as decision 0002 names it.
    private static UpgradeEngine DbUpFor(TestService service) => DeployChanges.To
        .PostgresqlDatabase(service.ConnectionString("migrator"), "public")
        .WithScripts(new Files(Path.Combine(service.ScriptsRoot, service.Name)))
        .JournalToPostgresqlTable("public", "schemaversions")
        .WithTransactionPerScript()
        .WithVariablesDisabled()
        .LogTo(new NoOpUpgradeLog())
        .Build();

    private sealed class Files(string folder) : IScriptProvider
    {
        public IEnumerable<SqlScript> GetScripts(DbUp.Engine.Transactions.IConnectionManager connectionManager) =>
            Directory.EnumerateFiles(folder, "*.sql").Order(StringComparer.Ordinal)
                .Select(path => new SqlScript(Path.GetFileName(path), File.ReadAllText(path)));
    }
}
