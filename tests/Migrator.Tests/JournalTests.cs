namespace OpenReadings.Migrator.Tests;

public sealed class JournalTests
{
    /// <summary>As DbUp makes it.</summary>
    public const string DbUpsTable = """
        create table schemaversions (schemaversionsid serial not null, scriptname varchar(255) not null,
            applied timestamp not null, constraint "PK_schemaversions_Id" primary key (schemaversionsid));

        """;

    [Fact]
    public async Task The_journal_is_dbups_own_table_byte_for_byte_with_a_unique_name()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "select 1");
        await service.UpAsync();

        Assert.Equal(
            """
            schemaversionsid integer not null nextval('schemaversions_schemaversionsid_seq'::regclass)
            scriptname character varying(255) not null
            applied timestamp without time zone not null
            "PK_schemaversions_Id" PRIMARY KEY (schemaversionsid)
            CREATE UNIQUE INDEX "PK_schemaversions_Id" ON public.schemaversions USING btree (schemaversionsid)
            CREATE UNIQUE INDEX schemaversions_scriptname ON public.schemaversions USING btree (scriptname)
            sequence public.schemaversions_schemaversionsid_seq
            """, await service.AskAsync<string>("""
            select concat_ws(E'\n',
                (select string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod),
                    case when attnotnull then 'not null' end, pg_get_expr(adbin, adrelid)), E'\n' order by attnum)
                 from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
                 where attrelid = 'public.schemaversions'::regclass and attnum > 0),
                (select string_agg(format('%I %s', conname, pg_get_constraintdef(oid)), E'\n')
                 from pg_constraint where conrelid = 'public.schemaversions'::regclass),
                (select string_agg(indexdef, E'\n' order by indexname)
                 from pg_indexes where tablename = 'schemaversions'),
                'sequence ' || pg_get_serial_sequence('public.schemaversions', 'schemaversionsid'))
            """));
    }

    [Fact]
    public async Task The_time_is_utc_whatever_zone_the_server_and_the_script_are_in()
    {
        await using var service = await TestService.CreateAsync();
        await service.DoAsync($"alter database {service.Name} set timezone = 'Pacific/Kiritimati'");
        service.Write("20260101000000_x", "set timezone = 'Asia/Kathmandu'");
        await service.UpAsync();

        Assert.True(await service.AskAsync<bool>(
            "select abs(extract(epoch from applied - (now() at time zone 'UTC'))) < 60 from schemaversions"));
        Assert.Equal("20260101000000_x.sql", await service.AskAsync<string>("select scriptname from schemaversions"));
    }

    [Fact]
    public async Task A_journal_that_dbup_made_is_gone_on_with_and_not_altered()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "select 'was run by DbUp'/0");
        service.Write("20260101000001_y", "create table y ()");
        await service.DoAsync(DbUpsTable + """
            insert into schemaversions (scriptname, applied)
            values ('20260101000000_x.sql', now()), ('20260101000000_x.sql', now());
            """, "migrator");

        var status = await service.StatusAsync();
        var report = await service.UpAsync();

        Assert.Equal(["applied-hash-unknown", "pending"], status.Scripts.Select(script => script.State));
        Assert.Equal("1 applied, 0 pending", report.Message);
        Assert.Equal(["20260101000000_x.sql: applied by DbUp, hash unknown"], report.Warnings);
        Assert.False(await service.HasAsync("schemaversions_scriptname"));
        Assert.Equal(3, await service.AskAsync<long>("select count(*) from schemaversions", "app"));
    }

    [Fact]
    public async Task A_script_that_was_changed_after_it_was_applied_stops_the_run()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x (\n    id int\n);\n");
        await service.UpAsync();

        service.Write("20260101000000_x", "\ufeffcreate table x (  \r\n    id int\r\n);");
        Assert.Equal("0 applied, 0 pending", (await service.UpAsync()).Message);

        service.Write("20260101000000_x", "create table x (\n    id bigint\n);\n");
        service.Write("20260101000001_y", "create table y ()");
        var report = await service.UpAsync();

        Assert.Equal(ExitCode.Invalid, report.Exit);
        Assert.Equal(
            "20260101000000_x.sql was changed after it was applied. Write a new script instead.", report.Message);
        Assert.Empty(report.Scripts);
        Assert.Equal(["changed", "pending"], (await service.StatusAsync()).Scripts.Select(script => script.State));
        Assert.Equal(ExitCode.Invalid, (await service.StatusAsync(exitCode: true)).Exit);
    }

    [Fact]
    public async Task A_late_script_stops_the_run_unless_it_is_allowed()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000001_y", "create table y ()");
        await service.UpAsync();
        service.Write("20260101000000_x", "create table x ()");

        var refused = await service.UpAsync();
        Assert.Equal(ExitCode.Invalid, refused.Exit);
        Assert.StartsWith("20260101000000_x.sql is late", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["late", "applied"], (await service.StatusAsync()).Scripts.Select(script => script.State));

        Assert.Equal("1 applied, 0 pending", (await service.UpAsync(new() { AllowLate = true })).Message);
        Assert.Equal("2 applied", (await service.StatusAsync(exitCode: true)).Message);
    }

    [Fact]
    public async Task A_file_that_is_gone_stops_the_run_and_a_newer_release_does_not()
    {
        await using var service = await TestService.CreateAsync();
        var first = service.Write("20260101000000_x", "create table x ()");
        service.Write("20260101000001_y", "create table y ()");
        var last = service.Write("20260101000002_z", "create table z ()");
        await service.UpAsync();

        File.Delete(last);
        var older = await service.UpAsync();
        File.Delete(first);
        var missing = await service.UpAsync();

        Assert.Equal(ExitCode.Ok, older.Exit);
        Assert.Equal(["20260101000002_z.sql: of a newer release"], older.Warnings);
        Assert.Equal(ExitCode.Invalid, missing.Exit);
        Assert.Equal("20260101000000_x.sql was applied, and its file is gone. Bring it back.", missing.Message);
        var status = await service.StatusAsync();
        Assert.Equal(["applied", "missing", "newer"], status.Scripts.Select(script => script.State));
    }

    [Fact]
    public async Task Status_makes_nothing_and_says_3_when_asked_for_the_code()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_x", "create table x ()");

        var plain = await service.StatusAsync();
        var coded = await service.StatusAsync(exitCode: true);

        Assert.Equal((ExitCode.Ok, "1 pending"), (plain.Exit, plain.Message));
        Assert.Equal((ExitCode.Pending, 3), (coded.Exit, coded.Code));
        Assert.False(await service.HasAsync("schemaversions"));
        Assert.False(await service.HasAsync("schemaversions_meta"));
    }
}
