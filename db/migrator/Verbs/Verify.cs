using System.CommandLine;
using OpenReadings.Migrator.Lint;

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
            var found = (await LiveCatalog.AskAsync(turn.Session, target, ct)).Where(finding => finding.Severity == Severity.Error)
                .Select(finding => $"{finding.Rule.Id}: {finding.What}").Order(StringComparer.Ordinal).ToList();
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
}
