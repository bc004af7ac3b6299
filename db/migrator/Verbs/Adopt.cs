using System.CommandLine;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>Takes over what another tool has journaled, in one transaction, and says what became of each row.</summary>
internal static class Adopt
{
    private const string Embedded = "embedded:";

    public static Command Verb(Cli cli)
    {
        var from = new Option<string>("--from")
        {
            Description = "embedded:Prefix. (names that DbUp gave to resources), alembic, or flyway",
            Required = true,
        };
        from.Validators.Add(result =>
        {
            if (result.Tokens[0].Value is "alembic" or "flyway") return;
            if (!result.Tokens[0].Value.StartsWith(Embedded, StringComparison.Ordinal))
                result.AddError("--from is embedded:Prefix., alembic, or flyway.");
        });
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be done" };
        var verb = new Command("adopt", "Take over the journal of another tool") { from, dryRun };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "adopt", (target, log) => RunAsync(
            target, line.GetValue(from)!, line.GetValue(dryRun), cli.Fill(line, new RunOptions()), log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(
        Target target, string from, bool dryRun, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, "adopt", options, log, async (turn, ct) =>
        {
            var scripts = turn.Scripts.Where(script => !script.IsRepeatable).ToList();
            List<(string From, Script To, DateTime? At)> rows = from switch
            {
                "alembic" => await FromAlembicAsync(turn.Session, scripts, ct),
                "flyway" => await FromFlywayAsync(turn.Session, scripts, ct),
                _ => await FromResourcesAsync(turn.Session, scripts, from[Embedded.Length..], ct),
            };
            var known = await turn.Journal.ReadAsync(ct);
            rows.RemoveAll(row => known.GetValueOrDefault(row.To.Name)?.Applied is not null);
            turn.Report.Lines.AddRange(rows.Select(row => $"{row.From} -> {row.To.Name}"));
            if (!dryRun)
            {
                await turn.Journal.EnsureAsync(ct);
                await turn.Session.AtomicallyAsync(async () =>
                {
                    foreach (var row in rows)
                    {
                        await turn.Journal.ForgetAsync(row.From, ct);
                        await turn.Journal.StampAsync(row.To, row.At, ct);
                    }
                }, ct);
            }
            turn.Report.End(ExitCode.Ok, $"{rows.Count} {(dryRun ? "would be adopted" : "adopted")}");
        }, ct);

    private static async Task<List<(string, Script, DateTime?)>> FromResourcesAsync(
        Session session, IReadOnlyList<Script> scripts, string prefix, CancellationToken ct)
    {
        var rows = await session.QueryAsync(
            """
            select scriptname, min(applied) from public.schemaversions
            where starts_with(scriptname, @prefix) group by scriptname order by min(schemaversionsid)
            """, row => (Name: row.GetString(0), At: row.GetDateTime(1)), ct, new NpgsqlParameter("prefix", prefix));
        return [.. rows.Select(row =>
            (row.Name, Find(scripts, row.Name, script => script.Name == row.Name[prefix.Length..]), (DateTime?)row.At))];
    }

    // V20250101120000__add_things.sql, or a version of another kind and the same description.
    private static async Task<List<(string, Script, DateTime?)>> FromFlywayAsync(
        Session session, IReadOnlyList<Script> scripts, CancellationToken ct)
    {
        var rows = await session.QueryAsync(
            """
            select script, version || '_' || lower(replace(description, ' ', '_')),
                lower(replace(description, ' ', '_')), installed_on
            from public.flyway_schema_history where success and version is not null order by installed_rank
            """, row => (Script: row.GetString(0), Full: row.GetString(1), Short: row.GetString(2), At: row.GetDateTime(3)),
            ct);
        return [.. rows.Select(row => (row.Script, Find(scripts, row.Script,
            script => script.Name == $"{row.Full}.sql" || script.Name[15..] == $"{row.Short}.sql"), (DateTime?)row.At))];
    }

    // Alembic knows only where it is. Its offline SQL says that in comments: -- Running upgrade 1975ea83b712 -> ae1027a6
    private static async Task<List<(string, Script, DateTime?)>> FromAlembicAsync(
        Session session, IReadOnlyList<Script> scripts, CancellationToken ct)
    {
        var heads = await session.QueryAsync(
            "select version_num from public.alembic_version", row => row.GetString(0), ct);
        if (heads is not [var head])
            throw MigrationException.Invalid($"alembic_version has {heads.Count} rows, and not one.");
        var last = Find(scripts, head, script =>
            script.Text.Contains($"-> {head}", StringComparison.Ordinal)
            || script.Name.Contains($"_{head}", StringComparison.Ordinal));
        return [.. scripts.TakeWhile(script => script != last).Append(last)
            .Select(script => ($"alembic up to {head}", script, (DateTime?)null))];
    }

    private static Script Find(IReadOnlyList<Script> scripts, string what, Func<Script, bool> fits) =>
        scripts.Where(fits).ToList() is [var one] ? one
            : throw MigrationException.Invalid($"{what}: not exactly one script fits. Nothing was adopted.");
}
