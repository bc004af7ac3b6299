namespace OpenReadings.Migrator.Tests;

public sealed class DownTests
{
    [Fact]
    public async Task What_was_applied_last_is_undone_first_and_can_be_applied_again()
    {
        await using var service = await ThreeTablesAsync();

        var one = await service.DownAsync("-1");
        var rest = await service.DownAsync("20260101000001_a");

        Assert.True(one.Exit == ExitCode.Ok, one.ToString());
        Assert.Equal(("1 reverted", "20260101000003_c.sql"), (one.Message, Assert.Single(one.Scripts).Name));
        Assert.Equal(("1 reverted", "20260101000002_b.sql"), (rest.Message, Assert.Single(rest.Scripts).Name));
        Assert.True(await service.HasAsync("a"));
        Assert.False(await service.HasAsync("b"));
        Assert.Equal(["applied", "pending", "pending"], (await service.StatusAsync()).Scripts.Select(script => script.State));
        Assert.Equal("reverted", await service.AskAsync<string>(
            "select state from schemaversions_meta where scriptname = '20260101000003_c.sql'"));
        Assert.Equal("2 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.Equal("3 reverted", (await service.DownAsync("base")).Message);
        Assert.Equal(0, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Fact]
    public async Task It_is_refused_before_anything_is_undone()
    {
        await using var service = await ThreeTablesAsync();
        service.Write("20260101000004_d", "-- migrate: irreversible because rows were merged\ncreate table d ()");
        service.Write("20260101000005_e", "create table e ()");
        await service.UpAsync();

        var production = await service.DownAsync("-1", new() { To = "", Yes = true });
        var noFile = await service.DownAsync("-1");
        service.WriteRollback("20260101000005_e", "drop table e");
        var irreversible = await service.DownAsync("-2");
        var unknown = await service.DownAsync("20260101000009_x");
        var elsewhere = await service.DownAsync("-1", new() { To = "", Environment = "dev" });

        Assert.Equal((ExitCode.Refused, 9), (production.Exit, production.Code));
        Assert.Contains("--backup-ok", production.Message, StringComparison.Ordinal);
        Assert.Equal(
            (ExitCode.Refused, $"20260101000005_e.sql has no file in db/rollback/{service.Name}."),
            (noFile.Exit, noFile.Message));
        Assert.Equal(
            (ExitCode.Refused, "20260101000004_d.sql is irreversible because rows were merged."),
            (irreversible.Exit, irreversible.Message));
        Assert.Equal(ExitCode.Invalid, unknown.Exit);
        Assert.Equal("1 reverted", elsewhere.Message);
        Assert.Equal(4, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Fact]
    public async Task A_rollback_that_fails_leaves_the_script_applied()
    {
        await using var service = await ThreeTablesAsync();
        service.WriteRollback("20260101000003_c", "drop table c;\ndrop table nothing;");

        var report = await service.DownAsync("-1");

        Assert.Equal((ExitCode.Failed, "42P01"), (report.Exit, report.Error!.Sqlstate));
        Assert.Equal(2, report.Error.Line);
        Assert.True(await service.HasAsync("c"));
        Assert.Equal("3 applied", (await service.StatusAsync()).Message);
    }

    [Fact]
    public async Task An_index_goes_away_concurrently_and_its_row_with_it()
    {
        await using var service = await ThreeTablesAsync();
        service.Write("20260101000004_index_a", "-- migrate: no-transaction\ncreate index concurrently a_id on a (id)");
        service.WriteRollback("20260101000004_index_a", "-- migrate: no-transaction\ndrop index concurrently if exists a_id");
        await service.UpAsync();

        Assert.Equal("1 reverted", (await service.DownAsync("-1")).Message);
        Assert.False(await service.HasAsync("a_id"));
        Assert.Equal("3 applied, 1 pending", (await service.StatusAsync()).Message);
        Assert.Equal("1 applied, 0 pending", (await service.UpAsync()).Message);
        Assert.True(await service.IsValidAsync("a_id"));
    }

    private static async Task<TestService> ThreeTablesAsync()
    {
        var service = await TestService.CreateAsync();
        foreach (var (name, n) in new[] { ("a", 1), ("b", 2), ("c", 3) })
        {
            service.Write($"2026010100000{n}_{name}", $"create table {name} (id int)");
            service.WriteRollback($"2026010100000{n}_{name}", $"drop table {name}");
        }
        await service.UpAsync();
        return service;
    }
}
