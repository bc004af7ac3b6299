using Npgsql;

namespace OpenReadings.Migrator.Tests;

public sealed class BootstrapTests
{
    [Fact]
    public async Task Running_it_again_changes_the_password_and_nothing_else()
    {
        await using var service = await TestService.CreateAsync();
        var before = await DescribeAsync(service);

        Assert.Equal((0, ""), await service.BootstrapAsync(("MIGRATOR_PASSWORD", "other"), ("APP_PASSWORD", "")));

        Assert.Equal(before, await DescribeAsync(service));
        var refused = await Assert.ThrowsAsync<PostgresException>(() => service.OpenAsync("migrator"));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
        Assert.Equal("x", await service.AskAsync<string>("select 'x'", "app"));
    }

    [Fact]
    public async Task Eight_at_once_end_well()
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);

        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => service.BootstrapAsync()));

        Assert.All(runs, run => Assert.Equal((0, ""), run));
        Assert.Equal("x", await service.AskAsync<string>("select 'x'", "migrator"));
    }

    [Fact]
    public async Task Each_role_can_do_its_work_and_no_more()
    {
        await using var service = await TestService.CreateAsync();

        Assert.Equal(
            $"""
            app login noinherit {service.Name}_guest
            backup login inherit bypassrls pg_read_all_data
            guest noinherit
            migrator login inherit bypassrls
            readonly login noinherit
            relay login noinherit
            """, await service.AskAsync<string>($"""
            select string_agg(concat_ws(' ', replace(rolname, '{service.Name}_', ''),
                case when rolcanlogin then 'login' end, case when rolinherit then 'inherit' else 'noinherit' end,
                case when rolbypassrls then 'bypassrls' end, case when rolsuper then 'superuser' end,
                case when rolcreatedb then 'createdb' end, case when rolcreaterole then 'createrole' end,
                case when rolreplication then 'replication' end,
                (select string_agg(roleid::regrole::text, ' ') from pg_auth_members where member = r.oid)
                ), E'\n' order by rolname)
            from pg_roles r where rolname like '{service.Name}\_%'
            """));
        Assert.Equal("1min 10s 30s UTC public", await service.AskAsync<string>("""
            select string_agg(current_setting(name), ' ')
            from unnest(array['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'timezone',
                'search_path']) name
            """, "app"));
    }

    [Fact]
    public async Task The_app_creates_alters_and_truncates_nothing()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add_things", $"""
            create table things (thing_id int primary key);
            grant select, insert, update, delete on things to {service.Name}_app;
            """);
        Assert.Equal(ExitCode.Ok, (await service.UpAsync()).Exit);

        await service.DoAsync("insert into things values (1)", "app");
        await service.DoAsync("update things set thing_id = 2; delete from things", "app");
        foreach (var forbidden in new[]
        {
            "create table mine (id int)",
            "create temporary table mine (id int)",
            "create schema mine",
            "create database mine",
            "create view mine as select 1",
            "create function mine() returns int language sql return 1",
            "create index on things (thing_id)",
            "create trigger t before insert on things execute function suppress_redundant_updates_trigger()",
            "alter table things add column more int",
            "alter table things disable row level security",
            "truncate things",
            "drop table things",
            "insert into schemaversions (scriptname, applied) values ('x', now())",
            "select * from schemaversions_meta",
            $"set role {service.Name}_migrator",
            $"grant {service.Name}_migrator to {service.Name}_app",
        })
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => service.DoAsync(forbidden, "app"));
            Assert.True(refused.SqlState == "42501", $"{forbidden}: {refused.Message}");
        }
    }

    [Fact]
    public async Task A_role_of_another_service_does_not_get_in()
    {
        await using var service = await TestService.CreateAsync();
        await using var other = await TestService.CreateAsync();
        var address = new NpgsqlConnectionStringBuilder(other.ConnectionString("app")) { Database = service.Name };
        await using var connection = new NpgsqlConnection(address.ConnectionString);

        var refused = await Assert.ThrowsAsync<PostgresException>(
            () => connection.OpenAsync(TestContext.Current.CancellationToken));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task The_backup_reads_everybodys_rows_and_the_readonly_nobodys()
    {
        await using var service = await TestService.CreateAsync();
        service.WriteOwnRows();
        service.Write("20260101000000_add_things", """
            create table things (user_id uuid default app_user_id(), thing_id int, primary key (user_id, thing_id));
            call own_rows('things');
            insert into things values (gen_random_uuid(), 1), (gen_random_uuid(), 2), (gen_random_uuid(), 3);
            create table forgotten as select 1 as one;
            """);
        var report = await service.UpAsync();
        Assert.True(report.Exit == ExitCode.Ok, report.ToString());

        Assert.Equal(3, await service.AskAsync<long>("select count(*) from things", "backup"));
        Assert.Equal(1, await service.AskAsync<long>("select count(*) from forgotten", "backup"));
        Assert.Equal(0, await service.AskAsync<long>("select count(*) from things", "readonly"));
        Assert.Equal(0, await service.AskAsync<long>("select count(*) from things", "app"));
        foreach (var role in new[] { "backup", "readonly" })
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(
                () => service.DoAsync("delete from things", role));
            Assert.Equal(PostgresErrorCodes.ReadOnlySqlTransaction, refused.SqlState);
        }
    }

    [Theory]
    [InlineData("SERVICE", "")]
    [InlineData("SERVICE", "Readings")]
    [InlineData("SERVICE", "x'; drop table y; --")]
    [InlineData("DATABASE", "postgres")]
    [InlineData("DATABASE", "my-database")]
    public async Task A_name_that_cannot_be_is_refused_before_anything_is_done(string name, string value)
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);

        var (exit, output) = await service.BootstrapAsync((name, value));

        Assert.Equal(3, exit);
        Assert.Contains($"{name} is", output, StringComparison.Ordinal);
    }

    private static Task<string> DescribeAsync(TestService service) => service.AskAsync<string>($"""
        select concat_ws(E'\n',
            (select string_agg(r::text, E'\n' order by rolname) from pg_roles r where rolname like '{service.Name}\_%'),
            (select concat_ws(' ', datdba::regrole, datacl, datcollate, datctype, pg_encoding_to_char(encoding))
             from pg_database where datname = current_database()),
            (select concat_ws(' ', nspowner::regrole, nspacl) from pg_namespace where nspname = 'public'))
        """);
}
