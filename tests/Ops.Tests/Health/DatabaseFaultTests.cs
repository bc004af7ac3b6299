using Dapper;
using Npgsql;
using OpenReadings.Ops.Health;
using OpenReadings.Ops.Metrics;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Health;

/// <summary>Each fault is made in a real database, is found, and was not there before.</summary>
public sealed class DatabaseFaultTests
{
    [Fact]
    public async Task A_table_without_row_level_security_and_a_right_too_many_are_found()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        Assert.Empty((await given.LookAsync("protection")).Findings);

        await given.DoAsync("create table diaries (user_id uuid, page text); grant truncate on series_types to catalog_app; alter table series_types no force row level security");
        var section = await given.LookAsync("protection");
        section.AssertFound(Severity.Bad, "diaries: row-level security is off, its owner passes, no policy");
        section.AssertFound(Severity.Bad, "series_types: its owner passes");
        section.AssertFound(Severity.Bad, "catalog_app may truncate series_types");
        Assert.Equal(3, section.Samples.Single().Value);
    }

    [Fact]
    public async Task A_partition_that_the_application_reaches_is_found()
    {
        await using var given = await Given.DatabaseAsync("readings");
        Assert.Empty((await given.LookAsync("protection")).Findings);
        await given.DoAsync("grant select on readings_2020 to readings_app");
        (await given.LookAsync("protection")).AssertFound(Severity.Bad, "readings_app may select the partition readings_2020 directly");
    }

    [Fact]
    public async Task Invalid_redundant_unused_and_missing_indexes_are_found()
    {
        await using var given = await Given.DatabaseAsync("readings");
        Assert.Empty((await given.LookAsync("indexes")).Findings);

        await given.DoAsync(
            """
            create table "Mixed Case" (a int, b int, c int);
            insert into "Mixed Case" values (1, 1, 1), (1, 2, 3);
            create index mixed_a_b on "Mixed Case" (a, b);
            create index mixed_a on "Mixed Case" (a);
            create index mixed_a_again on "Mixed Case" (a);
            create index mixed_a_down on "Mixed Case" (a desc);
            create index mixed_a_some on "Mixed Case" (a) where b > 1;
            create table referenced (id int primary key);
            create table referencing (id int references referenced);
            """);
        await Assert.ThrowsAsync<PostgresException>(() => given.DoAsync("create unique index concurrently mixed_broken on \"Mixed Case\" (a)"));

        var section = await given.LookAsync("indexes");
        section.AssertFound(Severity.Bad, "mixed_broken on \"Mixed Case\" is invalid");
        section.AssertFound(Severity.Warn, "mixed_a (");
        section.AssertFound(Severity.Warn, "mixed_a_again (");
        section.AssertFound(Severity.Warn, "foreign key referencing_id_fkey of referencing has no index");
        Assert.Equal(4, section.Findings.Count);

        var unused = await given.LookAsync("indexes", new Thresholds { UnusedFor = TimeSpan.Zero, UnusedIndexBytes = 0 });
        unused.AssertFound(Severity.Warn, "mixed_a_some (");
        Assert.DoesNotContain(unused.Findings, finding => finding.What.Contains("_pkey", StringComparison.Ordinal) && finding.What.Contains("not used", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_unique_indexes_on_the_same_columns_are_one_too_many_and_only_one()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table twins (a int, b int); create unique index twin_one on twins (a); create unique index twin_two on twins (a); create index twin_both on twins (a, b)");
        var finding = Assert.Single((await given.LookAsync("indexes")).Findings);
        Assert.Contains("twin_two", finding.What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_is_mostly_air_is_found_and_a_full_one_is_not()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync(
            """
            create table airy (id int primary key, word text);
            insert into airy select n, 'word ' || n from generate_series(1, 60000) n;
            create table solid (id int primary key, word text);
            insert into solid select n, 'word ' || n from generate_series(1, 60000) n;
            delete from airy where id % 20 <> 0;
            """);
        await given.DoAsync("vacuum (analyze) airy, solid");
        var section = await given.LookAsync("bloat", new Thresholds { BloatBytes = new(1e6, double.PositiveInfinity) });
        section.AssertFound(Severity.Warn, "airy is ");
        Assert.DoesNotContain(section.Findings, finding => finding.What.Contains("solid", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_outbox_that_does_not_empty_and_a_parked_event_are_found()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        var before = await given.LookAsync("outbox");
        Assert.Empty(before.Findings);
        Assert.All(before.Samples, sample => Assert.Equal(0, sample.Value));

        await given.DoAsync(
            """
            insert into outbox (id, event_type, subject, data, occurred_at)
            select gen_random_uuid(), 'x.v1', 'x', '{}', now() - interval '20 minutes' from generate_series(1, 7);
            insert into outbox_parked (id, event_type, subject, data, reason) values (gen_random_uuid(), 'x.v1', 'x', '{}', 'too large');
            """);
        var section = await given.LookAsync("outbox");
        section.AssertFound(Severity.Bad, "7 event(s) wait to be sent, the oldest for 20 min");
        section.AssertFound(Severity.Bad, "refused 1 event(s)");
        Assert.Equal(7, section.Samples.Single(sample => sample.Metric.Name == "openreadings_outbox_rows").Value);
        Assert.InRange(section.Samples.Single(sample => sample.Metric.Name == "openreadings_outbox_lag_seconds").Value, 1200, 1300);
    }

    [Fact]
    public async Task A_check_that_cannot_be_made_is_said_and_the_others_go_on()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("drop table outbox cascade");
        (await given.LookAsync("outbox")).AssertFound(Severity.Warn, "relation \"outbox\" does not exist");
        Assert.Empty((await given.LookAsync("protection")).Findings);
    }

    [Fact]
    public async Task A_script_that_is_not_applied_and_one_that_was_changed_are_found()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        var newest = double.Parse(new[] { "shared", "catalog" }.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(TestServers.Root, "db", "scripts", folder), "*.sql"))
            .Max(file => Path.GetFileName(file)[..14])!);
        var whole = await given.LookAsync("schema");
        Assert.Empty(whole.Findings);
        Assert.Equal((0, newest), Figures(whole));

        await given.DoAsync("delete from schemaversions where scriptname = '20261121120000_create_series_types.sql'; delete from schemaversions_meta where scriptname = '20261121120000_create_series_types.sql'");
        var pending = await given.LookAsync("schema");
        pending.AssertFound(Severity.Warn, "first 20261121120000_create_series_types.sql");
        Assert.Equal((1, newest), Figures(pending));
        static (double Pending, double Newest) Figures(Section section) =>
            (section.Samples.Single(one => one.Metric == Metric.SchemaPending).Value, section.Samples.Single(one => one.Metric == Metric.SchemaVersion).Value);

        await given.DoAsync("update schemaversions_meta set sha256 = 'another' where scriptname = '20261121100000_say_who_the_user_is.sql'");
        (await given.LookAsync("schema")).AssertFound(Severity.Bad, "was changed after it was applied");
    }

    [Fact]
    public async Task A_table_without_its_autovacuum_settings_and_one_that_is_never_vacuumed_are_found()
    {
        await using var given = await Given.DatabaseAsync("readings");
        Assert.Empty((await given.LookAsync("vacuum")).Findings);
        await given.DoAsync("alter table outbox reset (autovacuum_vacuum_scale_factor); alter table sources set (autovacuum_enabled = false)");
        var section = await given.LookAsync("vacuum");
        section.AssertFound(Severity.Warn, "no autovacuum settings of their own: outbox");
        section.AssertFound(Severity.Bad, "autovacuum is off for sources");
    }

    [Fact]
    public async Task A_new_partition_has_the_settings_of_the_others()
    {
        await using var given = await Given.DatabaseAsync("readings");
        await given.DoAsync("select make_readings_partitions((now() + interval '6 months')::date)");
        Assert.Empty((await given.LookAsync("vacuum")).Findings);
    }

    [Fact]
    public async Task What_an_idle_transaction_holds_up_is_found_with_the_way_to_end_it()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table fought_over (id int primary key, word text); insert into fought_over values (1, 'a')");
        await using var holder = await given.InTransactionAsync("update fought_over set word = 'secret one' where id = 1");
        await using var waiter = await given.ConnectAsync();
        var waiting = waiter.ExecuteAsync("update fought_over set word = 'secret two' where id = 1");
        await given.UntilAsync($"exists (select from pg_locks where pid = {waiter.ProcessID} and not granted)");

        var impatient = new Thresholds { BlockedSeconds = new(0, 1e9), IdleInTransactionSeconds = new(0.001, 1e9), StatementSeconds = new(0.001, 1e9) };
        var section = await given.LookAsync("locks", impatient);
        var finding = section.Findings.Single(finding => finding.What.Contains($"process {holder.ProcessID} ", StringComparison.Ordinal));
        Assert.Contains("holds up 1 session(s)", finding.What, StringComparison.Ordinal);
        Assert.Contains($"--terminate {holder.ProcessID}", finding.Remedy, StringComparison.Ordinal);

        (await given.LookAsync("connections", impatient)).AssertFound(Severity.Warn, "has been open and idle for");
        (await given.LookAsync("slow", impatient)).AssertFound(Severity.Warn, "update fought_over set word = ? where id = ?");
        await holder.ExecuteAsync("rollback");
        await waiting;
    }
}
