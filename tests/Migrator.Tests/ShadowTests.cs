namespace OpenReadings.Migrator.Tests;

/// <summary>What is tried on a database made for it: up --shadow, verify, check; and what psql makes of a plan.</summary>
public sealed class ShadowTests
{
    private static readonly string Server = TestService.Superuser.ConnectionString;
    private static readonly RunOptions Production = new();
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_pending_is_applied_to_a_copy_and_the_locks_it_took_are_told()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "create table things (id int)");
        await service.UpAsync();
        await service.DoAsync("create table by_hand ()", "migrator");
        service.Write("20260101000001_alter", "alter table things add column more int; drop table by_hand; create table new ()");
        service.Write("20260101000002_index", "-- migrate: no-transaction\ncreate index concurrently things_id on things (id)");

        var report = await Up.OnShadowAsync(service.Target, Server, new(), service.AddToLog, Ct);

        Assert.True(report.Exit == ExitCode.Ok, report.ToString());
        Assert.Equal(["applied", "applied"], report.Scripts.Select(script => script.State));
        Assert.Contains("AccessExclusiveLock on things", report.Scripts[0].Locks!);
        Assert.DoesNotContain(report.Scripts[0].Locks!, taken => taken.EndsWith("new", StringComparison.Ordinal));
        Assert.True(await service.HasAsync("by_hand"));
        Assert.Equal("1 applied, 2 pending", (await service.StatusAsync()).Message);
        Assert.Equal(0, await ShadowsOfAsync(service));
    }

    [Fact]
    public async Task A_database_is_what_its_scripts_made_until_somebody_changes_it_by_hand()
    {
        await using var service = await TestService.CreateAsync();
        service.WriteOwnRows();
        service.Write("20260101000000_add", """
            create table things (user_id uuid not null default app_user_id(), thing_id int, primary key (user_id, thing_id));
            call own_rows('things');
            """);
        await service.UpAsync();
        service.Write("20260101000001_pending", "create table pending ()");

        var well = await VerifyAsync(Server);
        await service.DoAsync("""
            alter table things add column by_hand int, add constraint positive check (thing_id > 0) not valid,
                no force row level security;
            create table open_rows (user_id uuid);
            create index broken on things (by_hand);
            """, "migrator");
        await service.DoAsync("update pg_index set indisvalid = false where indexrelid = 'broken'::regclass");
        var catalog = await VerifyAsync(null);
        var all = await VerifyAsync(Server);

        Assert.True(well.Exit == ExitCode.Ok, well.ToString());
        Assert.Equal(
            """
            constraint-not-validated: positive on things
            index-invalid: broken
            rls-missing: open_rows
            rls-not-forced: things
            4 findings
            """, catalog.Message);
        Assert.Equal(ExitCode.Invalid, all.Exit);
        Assert.Contains("drift, only in the database: CREATE TABLE public.things", all.Message, StringComparison.Ordinal);
        Assert.Contains("drift, only in the scripts: CREATE TABLE public.things", all.Message, StringComparison.Ordinal);
        Assert.Equal(0, await ShadowsOfAsync(service));

        Task<Report> VerifyAsync(string? server) =>
            Verify.RunAsync(service.Target, server, Production, service.AddToLog, Ct);
    }

    [Fact]
    public async Task Check_goes_up_down_and_up_and_finds_a_rollback_that_does_not_undo()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_a", "create table a ()");
        service.Write("20260101000001_b", "create table b (id int)");
        service.WriteRollback("20260101000001_b", "drop table b");
        service.WriteRepeatable("b_ids", "create or replace view b_ids as select id from b");
        Manifest.Write(service.ScriptsRoot);
        var half = await CheckAsync();
        service.WriteRollback("20260101000001_b", "drop view b_ids; drop table b");
        var well = await CheckAsync();
        service.Write("20260101000001_b", "create table if not exists b (id int); create table if not exists c ()");
        service.WriteRollback("20260101000001_b", "drop view b_ids; drop table b; alter table c add column left_over int");
        var changed = await CheckAsync();

        Assert.Equal((ExitCode.Failed, "2BP01"), (half.Exit, half.Error!.Sqlstate));
        Assert.True(well.Exit == ExitCode.Ok, well.ToString());
        Assert.Equal(["up, 1 down, up"], well.Lines);
        Assert.Equal(ExitCode.Invalid, changed.Exit);
        Assert.Contains("a script that has landed is never edited", changed.Message, StringComparison.Ordinal);
        Assert.Contains("came from going down and up again: CREATE TABLE public.c (\n    left_over integer", changed.Message,
            StringComparison.Ordinal);
        Assert.Equal(0, await ShadowsOfAsync(service));

        Task<Report> CheckAsync() =>
            Check.RunAsync(service.Target with { ConnectionString = "" }, Server, Production, service.AddToLog, Ct);
    }

    [Fact]
    public async Task Files_that_do_not_fit_together_are_found_without_a_database()
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);
        service.Write("20260101000000_a", "create table a ()");
        service.Write("20260101000001_b", "create table b ()");
        var c = service.Write("20260101000002_c", "create table c ()");
        Manifest.Write(service.ScriptsRoot);
        Assert.Empty(Validate.Findings(service.Target));

        File.Delete(c);
        service.Write("20260101000001_b", "create table b ();\ncommit;");
        service.Write("20260101000003_d", "-- migrate: requires 20250101000000_x.sql\n-- migrate: irreversible because\n".TrimEnd() + " x");
        service.Write("20260101000003_e", "select 1", "shared");
        service.WriteRollback("20260101000003_d", "select 1");
        service.WriteRollback("20260101000004_f", "select 1");

        Assert.Equal(
        [
            "20260101000001_b.sql differs from manifest.json: a script that has landed is never edited",
            "20260101000003_d.sql is not as in manifest.json: migrate manifest --write",
            $"{service.Name}/20260101000002_c.sql is in manifest.json, and its file is gone",
            "20260101000003_e.sql and 20260101000003_d.sql have the same time",
            "20260101000001_b.sql:2:1: error: Only the runner begins and ends transactions.",
            "20260101000003_d.sql is irreversible and has a rollback",
            "20260101000003_d.sql requires 20250101000000_x.sql, and there is none",
            "20260101000004_f.sql undoes no script",
        ], Validate.Findings(service.Target).Select(FromFileName).Where(finding => !finding.Contains("_e.sql is not as")));

        string FromFileName(string finding)
        {
            var folder = $"{service.Name}/2026";
            var at = finding.IndexOf(folder, StringComparison.Ordinal);
            return at < 1 ? finding : finding[(at + folder.Length - 4)..];
        }
    }

    [Fact]
    public async Task The_digest_of_a_set_changes_with_a_script_and_not_with_its_line_ends()
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);
        service.Write("20260101000000_a", "create table a (\n)\n");
        string Digest() => Manifest.DigestOf(service.Target.LoadScripts());
        var first = Digest();
        service.Write("20260101000000_a", "create table a (\r\n)");
        var same = Digest();
        service.WriteRepeatable("r", "select 1");

        Assert.Matches("^[0-9a-f]{64}$", first);
        Assert.Equal(first, same);
        Assert.NotEqual(first, Digest());
    }

    [Fact]
    public async Task A_plan_run_by_psql_leaves_what_up_would_leave()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", "-- it's\nset search_path = pg_catalog;\ncreate table public.things (id int)");
        service.Write("20260101000001_index", "-- migrate: no-transaction\ncreate index concurrently things_id on things (id); -- done");
        service.WriteRepeatable("view_things", "create or replace view seen as table things;");

        var offline = await PrintPlan.RunAsync(service.Target, "20260101000000_add", new(), service.AddToLog, Ct);
        var plan = await PrintPlan.RunAsync(service.Target, null, new(), service.AddToLog, Ct);
        var file = Path.Combine(service.Folder, "plan.sql");
        await File.WriteAllTextAsync(file, plan.Document, Ct);
        await Tools.PsqlAsync(service.Target, file, Ct);

        Assert.Equal("2 to apply", offline.Message);
        Assert.DoesNotContain("public.things (id int)", offline.Document, StringComparison.Ordinal);
        Assert.Equal(("3 to apply", "plan"), (plan.Message, plan.Command));
        var status = await service.StatusAsync(exitCode: true);
        Assert.Equal("3 applied", status.Message);
        Assert.All(status.Scripts, script => Assert.Equal("applied", script.State));
        Assert.Equal("0 applied, 0 pending", (await service.UpAsync()).Message);
        await Assert.ThrowsAsync<MigrationException>(() => Tools.PsqlAsync(service.Target, file, Ct));
        Assert.Equal(2, await service.AskAsync<long>("select count(*) from schemaversions"));
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("readings")]
    [InlineData("catalog")]
    [InlineData("sync")]
    public async Task The_scripts_of_the_repository_pass_their_check(string service)
    {
        var target = new Target(service, Path.Combine(TestService.Repository, "db", "scripts"), "");

        var report = await Check.RunAsync(target, Server, Production, _ => { }, Ct);

        Assert.True(report.Exit == ExitCode.Ok, report.ToString());
    }

    private static Task<long> ShadowsOfAsync(TestService service) =>
        service.AskAsync<long>($"select count(*) from pg_database where datname like 'shadow_{service.Name}_%'");
}
