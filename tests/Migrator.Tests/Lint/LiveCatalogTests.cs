using System.Text.Json;
using OpenReadings.Migrator.Lint;

namespace OpenReadings.Migrator.Tests.Lint;

/// <summary><c>lint --db</c>: a real database that does everything wrong, and those that our scripts make.</summary>
public sealed class LiveCatalogTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("identity")]
    [InlineData("readings")]
    [InlineData("catalog")]
    [InlineData("sync")]
    public async Task What_our_scripts_make_has_nothing_that_is_not_in_the_baseline(string name)
    {
        await using var service = await TestService.CreateAsync();
        var scripts = Path.Combine(TestService.Repository, "db", "scripts");
        foreach (var (from, to) in new[] { ("shared", "shared"), (name, service.Name) })
            foreach (var script in Directory.EnumerateFiles(Path.Combine(scripts, from), "*.sql"))
                File.Copy(script, Path.Combine(service.ScriptsRoot, to, Path.GetFileName(script)));
        await service.UpAsync();
        Assert.Equal(name is "catalog" or "readings", (await AskAsync(service)).Count > 0);
        File.Copy(Path.Combine(scripts, "..", "lint-baseline.txt"), Path.Combine(service.Folder, "lint-baseline.txt"));
        Assert.Empty(await AskAsync(service));
    }

    [Fact]
    public async Task Every_rule_finds_what_somebody_did_by_hand()
    {
        await using var service = await TestService.CreateAsync();
        service.Write("20260101000000_add", """
            create function app_user_id() returns uuid language sql stable return nullif(current_setting('app.user_id', true), '')::uuid;
            create table well (user_id uuid not null, id int, primary key (user_id, id));
            alter table well enable row level security, force row level security;
            """);
        await service.UpAsync();
        var (app, migrator) = ($"{service.Name}_app", $"{service.Name}_migrator");
        await service.DoAsync($$"""
            create policy mine on well using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
            grant select, insert on well to {{app}};
            create view seen with (security_invoker = true) as select * from well;
            create function careful() returns int language sql security definer set search_path = public, pg_temp return 1;
            revoke execute on function careful() from public;

            create table bare (user_id uuid);
            create table unforced (user_id uuid); alter table unforced enable row level security;
            create table ineffective (user_id uuid); create policy p on ineffective using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
            create table shared_rows (user_id uuid, is_public boolean); alter table shared_rows enable row level security, force row level security;
            create policy wide on shared_rows using (is_public or user_id = (select app_user_id()));
            create policy unchecked on shared_rows for update using (user_id = (select app_user_id()));
            create policy open on shared_rows for select using (true);
            create function dice() returns uuid language sql volatile return gen_random_uuid();
            create policy slow on shared_rows for select using (user_id = app_user_id());
            create policy chance on shared_rows for delete using (user_id = dice());
            create policy unset on shared_rows for insert with check (user_id = (select current_setting('app.user_id')::uuid));
            create policy each on shared_rows for insert with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
            create table parts (user_id uuid not null, at int, primary key (user_id, at)) partition by range (at);
            alter table parts enable row level security, force row level security;
            create policy mine on parts using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
            create table parts_1 partition of parts for values from (1) to (2); grant select on parts_1 to {{app}};
            create view leak as select * from well; create materialized view copy as select * from well;
            create function careless() returns int language sql security definer return 1;
            grant select on bare to public; grant all on bare to {{app}};
            alter table well add constraint positive check (id > 0) not valid;
            create table child (well_user uuid, well_id int, foreign key (well_user, well_id) references well);
            create index broken on bare (user_id); create schema more;
            """, "migrator");
        await service.DoAsync($"""
            update pg_index set indisvalid = false where indexrelid = 'broken'::regclass;
            alter role {app} createrole; alter role {migrator} nobypassrls; alter role {service.Name}_backup nobypassrls;
            """);

        var found = await AskAsync(service);
        var said = found.Select(finding => $"{finding.Rule.Id}: {finding.What}").ToHashSet();
        string[] expected =
        [
            "rls-missing: bare", "rls-missing: ineffective", "rls-not-forced: unforced", "rls-without-policy: unforced", "policy-without-rls: p on ineffective",
            "policy-no-with-check: unchecked on shared_rows", "policy-wide-without-check: wide on shared_rows", "policy-always-true: open on shared_rows",
            "policy-volatile-function: slow on shared_rows asks app_user_id() for each row", "policy-volatile-function: chance on shared_rows asks dice() for each row",
            "policy-volatile-function: each on shared_rows asks current_setting() for each row", "policy-setting-unsafe: unset on shared_rows", "policy-column-unindexed: shared_rows.user_id",
            "policy-column-unindexed: ineffective.user_id", "partition-without-rls: parts_1 of parts", "view-not-security-invoker: leak reads well", "view-not-security-invoker: copy reads well",
            "definer-function-search-path: careless(), no search_path of its own, everybody may call it", $"app-role-privileged: {app}", $"backfill-under-force: {migrator} is no BYPASSRLS",
            $"dump-under-force: {service.Name}_backup", "grant-to-public: select on bare", $"grant-all: {app} on bare", $"truncate-grant: {app} on bare", $"references-grant: {app} on bare",
            "default-privileges-missing: more", "missing-foreign-key-index: child_well_user_well_id_fkey on child", "constraint-not-validated: positive on well", "index-invalid: broken",
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), said.Order(StringComparer.Ordinal));

        // And as the command says it, to a person and to a scanner.
        var (exit, text) = await LintAsync(service);
        Assert.Equal(10, exit);
        Assert.Contains($"{service.Name}/bare: error rls-missing: bare. Everybody sees everybody's rows.", text, StringComparison.Ordinal);
        using var sarif = JsonDocument.Parse((await LintAsync(service, "--format", "sarif")).Said);
        Assert.Equal(expected.Length, sarif.RootElement.GetProperty("runs")[0].GetProperty("results").GetArrayLength());
    }

    private static async Task<IReadOnlyList<Finding>> AskAsync(TestService service)
    {
        await using var session = await Session.OpenAsync(service.Target, new Patience(), service.AddToLog, Ct);
        return await LiveCatalog.AskAsync(session, service.Target, Ct);
    }

    private static async Task<(int Exit, string Said)> LintAsync(TestService service, params string[] words)
    {
        using var said = new StringWriter { NewLine = "\n" };
        return (await Cli.RunAsync(["lint", "--db", "--service", service.Name, "--scripts", service.ScriptsRoot, "--connection", service.ConnectionString("migrator"), .. words], said, said, Ct), said.ToString());
    }
}
