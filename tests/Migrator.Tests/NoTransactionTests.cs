namespace OpenReadings.Migrator.Tests;

public sealed class NoTransactionTests
{
    [Fact]
    public async Task An_index_is_built_concurrently_and_journaled()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", "create table things (thing_id int)");
        service.Write("20260101000001_index_things", """
            -- Why.
            -- migrate: no-transaction
            create index concurrently things_id on things (thing_id);
            create unique index concurrently if not exists "Things unique" on things (thing_id);
            """);

        var report = await service.UpAsync();

        Assert.True(report.Exit == ExitCode.Ok, report.ToString());
        Assert.Equal(["transaction", "no-transaction"], report.Scripts.Select(script => script.Mode));
        Assert.True(await service.IsValidAsync("things_id"));
        Assert.True(await service.IsValidAsync("\"Things unique\""));
        Assert.Equal("applied 2/2", await service.AskAsync<string>("""
            select concat(state, ' ', statements_done, '/', statements_total)
            from schemaversions_meta where scriptname like '%index%'
            """));
        Assert.Equal(2, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Fact]
    public async Task Without_the_header_it_fails_and_nothing_is_left()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x (id int); create index concurrently i on x (id);");

        var report = await service.UpAsync();

        Assert.Equal((ExitCode.Failed, "25001"), (report.Exit, report.Error!.Sqlstate));
        Assert.Equal(0, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Fact]
    public async Task A_backfill_commits_batch_by_batch()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", """
            create table things (thing_id int, size int);
            insert into things select generate_series(1, 10);
            """);
        service.Write("20260101000001_size_things", """
            -- migrate: no-transaction
            do $$
            declare n int;
            begin
                loop
                    update things set size = 1 where thing_id in (
                        select thing_id from things where size is null limit 4 for update skip locked);
                    get diagnostics n = row_count;
                    exit when n = 0;
                    commit;
                    raise notice 'backfilled %', n;
                end loop;
            end
            $$;
            """);

        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);

        Assert.Equal(["notice: backfilled 4", "notice: backfilled 4", "notice: backfilled 2"],
            service.Log.Where(line => line.StartsWith("notice", StringComparison.Ordinal)));
        Assert.Equal(10, await service.AskAsync<long>("select count(size) from things"));
    }

    [Fact]
    public async Task A_script_that_failed_part_way_is_gone_on_with_where_it_was()
    {
        await using var service = await TestService.CreateAsync();
        WriteScript("create table x (id int);\ninsert into x values (1);\ninsert into y values (1);");
        var failed = await service.UpAsync();

        Assert.Equal((ExitCode.Partial, 6), (failed.Exit, failed.Code));
        Assert.Equal(("42P01", 4), (failed.Error!.Sqlstate, failed.Error.Line));
        Assert.Equal(["partial"], (await service.StatusAsync()).Scripts.Select(script => script.State));
        Assert.Equal("partial 2/3 relation \"y\" does not exist", await service.AskAsync<string>(
            "select concat(state, ' ', statements_done, '/', statements_total, ' ', error) from schemaversions_meta"));

        // The statement that failed may be mended; those that were done may not.
        WriteScript("create table x (id bigint);\ninsert into x values (1);\ninsert into x values (2);");
        var changed = await service.UpAsync();
        WriteScript("create table x (id int);\ninsert into x values (1);\ninsert into x values (2);");
        var mended = await service.UpAsync();

        Assert.Equal(ExitCode.Invalid, changed.Exit);
        Assert.True(mended.Exit == ExitCode.Ok, mended.ToString());
        Assert.Equal("1, 2", await service.AskAsync<string>("select string_agg(id::text, ', ' order by id) from x"));
        Assert.Equal("1 applied", (await service.StatusAsync()).Message);

        void WriteScript(string sql) => service.Write("20260101000000_x", "-- migrate: no-transaction\n" + sql);
    }

    [Fact]
    public async Task An_index_that_a_broken_off_build_left_invalid_is_dropped_and_built_again()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", "create table things (id int); insert into things values (1), (1)");
        service.Write("20260101000001_index_things", """
            -- migrate: no-transaction
            create unique index concurrently if not exists things_id on things (id)
            """);

        var failed = await service.UpAsync();

        Assert.Equal((ExitCode.Partial, "23505"), (failed.Exit, failed.Error!.Sqlstate));
        Assert.False(await service.IsValidAsync("things_id"));
        await service.DoAsync("delete from things where ctid = (select min(ctid) from things)");

        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);
        Assert.True(await service.IsValidAsync("things_id"));
    }

    [Fact]
    public async Task An_invalid_index_of_somebody_else_is_not_taken_for_done()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "create table things (id int); create index things_id on things (id)");
        await service.UpAsync();
        await service.DoAsync("update pg_index set indisvalid = false where indexrelid = 'things_id'::regclass");
        service.Write("20260101000001_index_things", """
            -- migrate: no-transaction
            create index concurrently if not exists things_id on things (id)
            """);

        var report = await service.UpAsync();

        Assert.Equal(ExitCode.Partial, report.Exit);
        Assert.Contains("The index things_id is INVALID", report.Message, StringComparison.Ordinal);
        Assert.Equal(1, await service.AskAsync<long>("select count(*) from schemaversions"));
    }
}
