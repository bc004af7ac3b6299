namespace OpenReadings.Migrator.Tests;

public sealed class FailureTests
{
    [Fact]
    public async Task A_script_that_fails_leaves_nothing_and_says_where_and_why()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_good", "create table good (id int)");
        var path = service.Write("20260101000001_bad", """
            -- Why.
            create table half (id int);

            /* 𝔘nicode before it */ insert into half
                select '😀', nothing from half;
            """);
        service.Write("20260101000002_never", "create table never (id int)");

        var report = await service.UpAsync();

        Assert.Equal((ExitCode.Failed, 5, "failed"), (report.Exit, report.Code, report.Result));
        var file = Path.GetRelativePath(Environment.CurrentDirectory, path);
        Assert.Equal(
            $"""
            {file}:5:18: error 42703: column "nothing" does not exist
              statement: insert into half
                    select '😀', nothing from half
            """, report.Error!.ToString());
        Assert.StartsWith(
            $"{report.Error}\n{service.Name}: failed, exit 5 ({service.Name} at ", $"{report}",
            StringComparison.Ordinal);
        Assert.Equal(["20260101000000_good.sql"], report.Scripts.Select(script => script.Name));
        Assert.Equal("good schemaversions schemaversions_meta", await service.AskAsync<string>(
            "select string_agg(tablename, ' ' order by tablename) from pg_tables where schemaname = 'public'"));
        Assert.Equal(1, await service.AskAsync<long>("select count(*) from schemaversions_meta"));
    }

    [Fact]
    public async Task Detail_hint_and_where_of_the_server_are_passed_on()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_bad", """
            do $$ begin raise exception 'no' using detail = 'the detail', hint = 'the hint', errcode = 'P0404'; end $$;
            """);

        var error = (await service.UpAsync()).Error!;

        Assert.Equal(("P0404", "no"), (error.Sqlstate, error.Message));
        Assert.Equal(("the detail", "the hint"), (error.Detail, error.Hint));
        Assert.Equal((1, 1), (error.Line, error.Column));
        Assert.StartsWith("PL/pgSQL function inline_code_block", error.Where, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_constraint_that_fails_at_the_commit_fails_the_script()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", """
            create table things (thing_id int primary key, next int references things deferrable initially deferred);
            insert into things values (1, 2);
            """);

        var report = await service.UpAsync();

        Assert.Equal((ExitCode.Failed, "23503"), (report.Exit, report.Error!.Sqlstate));
        Assert.False(await service.HasAsync("things"));
    }

    [Fact]
    public async Task What_would_escape_from_the_runner_is_refused_before_a_statement_is_sent()
    {
        const string transactions = "Only the runner begins and ends transactions.";
        await using var service = await TestService.CreateAsync();

        await Refuses("create table t ();\ncommit;", 2, transactions);
        await Refuses("BEGIN; create table t (); END;", 1, transactions);
        await Refuses("start transaction; create table t ()", 1, transactions);
        await Refuses("-- migrate: no-transaction\nbegin; create table t (); commit;", 2, transactions);
        await Refuses("create table t ();\ncopy t from stdin;\n\\.", 2, "COPY … FROM STDIN needs psql. Write INSERT.");
        await Refuses("create table t ();\nselect 'never closed", 2, "This ' is never closed.");

        async Task Refuses(string sql, int line, string message)
        {
            service.Write("20260101000000_escape", sql);
            var report = await service.UpAsync();
            Assert.Equal((ExitCode.Invalid, line, message), (report.Exit, report.Error!.Line, report.Error.Message));
            Assert.False(await service.HasAsync("t"));
        }
    }

    [Fact]
    public async Task A_savepoint_is_a_scripts_own_affair()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_save", "savepoint s; create table t (); rollback to s; create table u ()");

        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);
        Assert.Equal("u", await service.AskAsync<string>("select concat(to_regclass('t'), to_regclass('u'))"));
    }

    [Fact]
    public async Task A_script_that_gives_up_the_runners_lock_is_rolled_back()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_unlock", "create table t (); select pg_advisory_unlock_all()");

        var report = await service.UpAsync();

        Assert.Equal(ExitCode.Failed, report.Exit);
        Assert.Contains("released the runner's lock", report.Error!.Message, StringComparison.Ordinal);
        Assert.False(await service.HasAsync("t"));
    }

    [Fact]
    public async Task Two_statements_cannot_hide_in_one()
    {
        await using var service = await TestService.CreateAsync();
        // An open parenthesis swallows the rest; the server must see it as the one wrong statement it is.
        service.Write("20260101000000_open", "create table t (id int;\ncreate table u (id int);");

        var report = await service.UpAsync();

        Assert.Equal((ExitCode.Failed, "42601"), (report.Exit, report.Error!.Sqlstate));
    }

    [Fact]
    public async Task A_statement_that_takes_too_long_is_broken_off()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_slow", "-- migrate: statement-timeout 50ms\nselect pg_sleep(30)");

        var report = await service.UpAsync();

        Assert.Equal((ExitCode.Failed, "57014"), (report.Exit, report.Error!.Sqlstate));
    }

    [Theory]
    [InlineData("1_short.sql", "select 1", ExitCode.Invalid, "is named 20261121093000_verb_noun.sql")]
    [InlineData("20260101000000_Upper.sql", "select 1", ExitCode.Invalid, "is named")]
    [InlineData("20260101000000_x.down.sql", "drop table x", ExitCode.Invalid, "is named")]
    [InlineData("20260101000000_x.SQL", "select 1", ExitCode.Invalid, "is named")]
    [InlineData("20260101000000_x.sql", "-- migrate: no-tx", ExitCode.Usage, "1: This is not a known header: no-tx")]
    public async Task A_file_that_cannot_be_a_script_stops_the_run(
        string name, string text, ExitCode exit, string message)
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);
        await File.WriteAllTextAsync(
            Path.Combine(service.ScriptsRoot, service.Name, name), text, TestContext.Current.CancellationToken);

        var report = await service.UpAsync();

        Assert.Equal(exit, report.Exit);
        Assert.Contains(message, report.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_shared_and_the_services_own_is_refused_and_so_is_a_text_that_is_not_utf8()
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);
        service.Write("20260101000000_x", "select 1");
        var twin = service.Write("20260101000000_x", "select 1", "shared");
        var twice = await service.UpAsync();
        await File.WriteAllBytesAsync(twin, [0x2d, 0x2d, 0xff, 0xfe], TestContext.Current.CancellationToken);

        Assert.Contains("is in both shared and", twice.Message, StringComparison.Ordinal);
        Assert.EndsWith("not UTF-8.", (await service.UpAsync()).Message, StringComparison.Ordinal);
    }
}
