using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>What <c>migrate down</c> may be told.</summary>
public sealed record DownOptions : ApplyOptions
{
    /// <summary>-N: so many scripts; a script: all that came after it; base: all.</summary>
    public required string To { get; init; }

    /// <summary>There is a backup from which what is dropped can come back.</summary>
    public bool BackupOk { get; init; }
}

/// <summary>Undoes scripts, the last applied first, each by the file of its name in db/rollback.</summary>
internal static class Down
{
    public static Command Verb(Cli cli)
    {
        var limits = new ApplyFlags();
        var target = new Argument<string?>("target")
        {
            Description = "-1 undoes one, a script undoes what came after it, base undoes all",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var to = new Option<string>("--to") { Description = "Undo what came after this script", HelpName = "script" };
        var backupOk = new Option<bool>("--backup-ok") { Description = "In production: a backup is there" };
        var verb = new Command("down", "Undo scripts by their files in db/rollback") { target, to, backupOk };
        verb.Aliases.Add("downgrade");
        limits.AddTo(verb);
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "down", (service, log) => RunAsync(
            service, limits.Fill(line, cli.Fill(line, new DownOptions
            {
                To = line.GetValue(target) ?? line.GetValue(to)
                    ?? throw MigrationException.Usage("Say how far: -1, a script, or base."),
                BackupOk = line.GetValue(backupOk),
            })), log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(Target target, DownOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, "down", options, log, async (turn, ct) =>
        {
            if (options.IsProduction && !options.BackupOk)
                throw MigrationException.Refused("Going back loses data. Make a backup, then say --backup-ok.");
            var plan = await turn.PlanAsync(ct);
            var undo = Choose(plan, options.To)
                .Select(item => (Item: item, Rollback: RollbackOf(item, target.ScriptsRoot))).ToList();
            await turn.Journal.EnsureAsync(ct);
            foreach (var (item, rollback) in undo)
            {
                var undone = await new ScriptRunner(turn, options, rollback, item.Script).RunAsync(item.Entry, ct);
                turn.Report.Scripts.Add(undone);
                turn.Log($"reverted {undone.Name} ({undone.Statements} statements, {undone.DurationMs} ms)");
            }
            // What stood on the newest schema is made anew by the next up.
            foreach (var item in plan.Where(item => item is { Script.IsRepeatable: true, Entry: not null }))
                await turn.Journal.ForgetAsync(item.Name, ct);
            turn.Report.End(ExitCode.Ok, $"{undo.Count} reverted");
        }, ct);

    // In the order in which they were applied, which is not that of their names when one came late.
    private static List<Planned> Choose(IReadOnlyList<Planned> plan, string to)
    {
        var applied = plan.Where(item => item.Entry is { Rank: > 0 }).OrderByDescending(item => item.Entry!.Rank).ToList();
        if (to == "base") return applied;
        if (to is ['-', .. var n] && int.TryParse(n, CultureInfo.InvariantCulture, out var steps) && steps > 0)
            return [.. applied.Take(steps)];
        var last = plan[Plan.IndexOf(plan, to)];
        return last.Entry is { Rank: > 0 }
            ? [.. applied.TakeWhile(item => item != last)]
            : throw MigrationException.Invalid($"{last.Name} is not applied.");
    }

    private static Script RollbackOf(Planned item, string root)
    {
        if (item.Script is not { } script || item.State is ScriptState.Changed or ScriptState.Renamed)
            throw MigrationException.Invalid($"{item.Name} is {item.State.ToString().ToLowerInvariant()}: "
                + "its rollback may not fit.");
        if (script.Header.Irreversible is { } why)
            throw MigrationException.Refused($"{item.Name} is irreversible because {why}.");
        return script.LoadRollback(root)
            ?? throw MigrationException.Refused($"{item.Name} has no file in db/rollback/{script.Folder}.");
    }
}
