using System.CommandLine;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>Asks whether a database is what its scripts made, and whether it protects what it should.</summary>
internal static class Verify
{
    public static Command Verb(Cli cli)
    {
        var catalogOnly = new Option<bool>("--catalog-only")
        {
            Description = "Only what the database's own catalog tells; build no shadow to compare with",
        };
        var verb = new Command("verify", "Compare a database with its scripts") { catalogOnly };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "verify", (target, log) => RunAsync(
            target, line.GetValue(catalogOnly) ? null : cli.ShadowServer(line),
            cli.Fill(line, new RunOptions()), log, ct)));
        return verb;
    }

    /// <summary>Ends with 4 and a line for everything that was found.</summary>
    public static Task<Report> RunAsync(
        Target target, string? shadowServer, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.LookAsync(target, "verify", options, log, async (turn, ct) =>
        {
            var plan = await turn.PlanAsync(ct);
            var found = await turn.Session.QueryAsync(Catalog, row => $"{row.GetString(0)}: {row.GetString(1)}", ct,
                new NpgsqlParameter("app", $"{target.Service}_app"), new("migrator", $"{target.Service}_migrator"));
            if (shadowServer is not null) found.AddRange(await DriftAsync(turn, plan, shadowServer, ct));
            turn.Report.EndWith(found, ExitCode.Invalid, "as the scripts made it");
        }, ct);

    private static async Task<List<string>> DriftAsync(
        Turn turn, IReadOnlyList<Planned> plan, string server, CancellationToken ct)
    {
        if (Plan.Objections(plan, allowLate: true).ToList() is { Count: > 0 } objections) return objections;
        await using var shadow = await Shadow.CreateAsync(turn.Target, server, ct);
        var applied = plan.Where(item => item.State == ScriptState.Applied).Select(item => item.Name).ToHashSet();
        var report = await Up.RunAsync(shadow.Target,
            new UpOptions { Only = applied, Environment = turn.Options.Environment, Yes = true }, _ => { }, ct);
        if (report.Failed) throw new MigrationException(report.Exit, report.Message!, report.Error);

        var (live, built) = (await Picture.OfAsync(turn.Target, ct), await Picture.OfAsync(shadow.Target, ct));
        return
        [
            .. Picture.Difference(live, built).Select(part => $"drift, only in the database: {part}"),
            .. Picture.Difference(built, live).Select(part => $"drift, only in the scripts: {part}"),
        ];
    }

    private const string Catalog = """
        with tables as (select c.* from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')),
             owned as (select distinct attrelid from pg_attribute where attname = 'user_id' and not attisdropped)
        select 'index-invalid', indexrelid::regclass::text from pg_index where not indisvalid
        union all
        select 'constraint-not-validated', format('%s on %s', conname, conrelid::regclass)
        from pg_constraint where not convalidated
        union all
        select 'rls-missing', relname from tables join owned on attrelid = tables.oid where not relrowsecurity
        union all
        select 'rls-not-forced', relname from tables where relrowsecurity and not relforcerowsecurity
        union all
        select 'rls-without-policy', relname from tables
        where relrowsecurity and not relispartition and not exists (select from pg_policy where polrelid = tables.oid)
        union all
        select 'policy-without-rls', format('%s on %s', polname, relname)
        from pg_policy join tables on tables.oid = polrelid where not relrowsecurity
        union all
        select 'partition-without-rls', part.relname from pg_inherits
            join tables part on part.oid = inhrelid join tables whole on whole.oid = inhparent
        where whole.relrowsecurity and not part.relrowsecurity
            and exists (select from pg_roles where rolname = @app and has_table_privilege(oid, part.oid, 'select'))
        union all
        select 'app-role-privileged', rolname from pg_roles
        where rolname = @app and (rolsuper or rolbypassrls or rolcreaterole
            or exists (select from tables where relowner = pg_roles.oid)
            or pg_has_role(pg_roles.oid, (select oid from pg_roles where rolname = @migrator), 'member'))
        order by 1, 2
        """;
}
