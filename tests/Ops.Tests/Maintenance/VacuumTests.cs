using OpenReadings.Ops.Maintenance;

namespace OpenReadings.Ops.Tests.Maintenance;

public sealed class VacuumTests
{
    [Fact]
    public async Task Dead_rows_go_and_a_full_vacuum_gives_their_space_back()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table \"Old Words\" (id int primary key, word text); insert into \"Old Words\" select n, repeat('x', 100) from generate_series(1, 20000) n");
        await given.DoAsync("delete from \"Old Words\" where id > 100 and id < 19990");
        await using var database = await given.OpenAsync();

        var all = await VacuumVerb.RunAsync(database, only: null, full: false, lockTable: false, _ => { }, Given.Ct);
        Assert.Contains(all, table => table.Table == "outbox");
        Assert.Equal(0, await given.AskAsync<long>("select pg_stat_get_dead_tuples('\"Old Words\"'::regclass)"));

        var one = Assert.Single(await VacuumVerb.RunAsync(database, "\"Old Words\"", full: true, lockTable: true, _ => { }, Given.Ct));
        Assert.True(one.After < one.Before / 10, one.ToString());
        Assert.Equal(111, await given.AskAsync<long>("select count(*) from \"Old Words\""));
    }

    [Fact]
    public async Task A_partitioned_table_is_vacuumed_part_by_part()
    {
        await using var given = await Given.DatabaseAsync("readings");
        await using var database = await given.OpenAsync();
        var parts = await VacuumVerb.RunAsync(database, "readings", full: false, lockTable: false, _ => { }, Given.Ct);
        Assert.All(parts, part => Assert.StartsWith("readings_", part.Table, StringComparison.Ordinal));
        Assert.True(parts.Count > 30);
    }

    [Theory]
    [InlineData(null, true, "takes one table")]
    [InlineData("outbox", false, "Say --lock-table")]
    [InlineData("nothing", true, "has no table nothing")]
    public async Task A_full_vacuum_happens_to_nobody_by_accident(string? table, bool lockTable, string reason)
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await using var database = await given.OpenAsync();
        var refused = await Assert.ThrowsAsync<OpsException>(() => VacuumVerb.RunAsync(database, table, full: true, lockTable, _ => { }, Given.Ct));
        Assert.Equal(Exit.Refused, refused.Exit);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vacuum", "--table", "outbox")]
    [InlineData("reindex", "--index", "outbox_pkey")]
    public async Task Four_databases_have_a_table_of_that_name_so_it_asks_whose(params string[] arguments)
    {
        var (exit, _, errors) = await OpsProcess.RunAsync([("ConnectionStrings__admin", "Host=nowhere.invalid")], ["maint", .. arguments]);
        Assert.Equal(((int)Exit.Usage, true), (exit, errors.StartsWith($"Whose {arguments[^1]}?", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_full_vacuum_needs_room_for_the_copy()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await using var database = await given.OpenAsync();
        var refused = await Assert.ThrowsAsync<OpsException>(() => VacuumVerb.RefuseUnlessSafeAsync(database, "outbox", 1L << 60, lockTable: true, Given.Ct));
        Assert.Contains("are free", refused.Message, StringComparison.Ordinal);
    }
}
