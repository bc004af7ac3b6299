using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>Says what is applied and what is not. Takes no lock, writes nothing, makes no table.</summary>
internal static class Status
{
    /// <summary>Status, and the parts of it that other tools have verbs for.</summary>
    public static IEnumerable<Command> Verbs(Cli cli) =>
    [
        Verb(cli, "status", "Say what is applied, what is pending, and who is at it", plan => plan),
        Verb(cli, "pending", "What up would apply", plan => plan.Where(item => item.IsToApply)),
        Verb(cli, "history", "What was applied, the newest first", plan =>
            plan.Where(item => item.Entry is { Rank: > 0 }).OrderByDescending(item => item.Entry!.Rank)),
        Verb(cli, "current", "The newest that is applied, of each folder", plan => Newest(
            plan.Where(item => item is { Script.IsRepeatable: false, Entry.Applied: not null }))),
        Verb(cli, "heads", "The newest script there is, of each folder", plan => Newest(
            plan.Where(item => item is { Script.IsRepeatable: false }))),
    ];

    public static Task<Report> RunAsync(
        Target target, bool exitCode, RunOptions options, Action<string> log, CancellationToken ct) =>
        RunAsync(target, "status", plan => plan, exitCode, options, log, ct);

    private static Command Verb(
        Cli cli, string name, string description, Func<IEnumerable<Planned>, IEnumerable<Planned>> view)
    {
        var exitCode = new Option<bool>("--exit-code")
        {
            Description = "Exit 3 if scripts are pending, 4 if something is wrong",
        };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Also by whom, and the hash" };
        var verb = new Command(name, description) { exitCode, verbose };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, name, async (target, log) =>
        {
            var options = cli.Fill(line, new RunOptions());
            var report = await RunAsync(target, name, view, line.GetValue(exitCode), options, log, ct);
            report.Lines.InsertRange(0, report.Scripts.Select(script => Row(script, line.GetValue(verbose))));
            return report;
        }));
        return verb;
    }

    private static Task<Report> RunAsync(
        Target target, string command, Func<IEnumerable<Planned>, IEnumerable<Planned>> view, bool exitCode,
        RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.LookAsync(target, command, options, log, async (turn, ct) =>
        {
            var (report, plan) = (turn.Report, await turn.PlanAsync(ct));
            report.Scripts.AddRange(view(plan).Select(Told));
            if (await AdvisoryLock.HolderAsync(turn.Session, ct) is { } holder)
            {
                report.Lock = new LockReport(0, holder);
                report.Lines.Add($"at work: {holder}");
            }

            var objections = Plan.Objections(plan, allowLate: false).ToList();
            report.Warnings.AddRange(objections);
            report.Lines.AddRange(objections.Select(objection => $"warning: {objection}"));
            var pending = plan.Count(item => item.IsToApply);
            Telemetry.Pending.Record(pending, Telemetry.Tag(target));
            var summary = string.Join(", ", plan.CountBy(item => item.State).OrderBy(state => state.Key)
                .Select(state => $"{state.Value} {state.Key.ToString().ToLowerInvariant()}"));
            var exit = !exitCode ? ExitCode.Ok
                : objections.Count > 0 ? ExitCode.Invalid
                : pending > 0 ? ExitCode.Pending : ExitCode.Ok;
            if (exit == ExitCode.Invalid) report.End(exit, string.Join('\n', objections));
            else report.End(exit, summary.Length > 0 ? summary : "no scripts");
        }, ct);

    private static ScriptReport Told(Planned item) => new()
    {
        Name = item.Name,
        State = item.HashUnknown ? "applied-hash-unknown" : item.State.ToString().ToLowerInvariant(),
        RenamedFrom = item.RenamedFrom,
        Mode = item.Script is null ? null : item.Script.Header.NoTransaction ? "no-transaction" : "transaction",
        Phase = item.Script?.Header.Phase,
        Sha256 = item.Script?.Sha256,
        AppliedAt = item.Entry?.Applied is { } at ? new DateTimeOffset(at, TimeSpan.Zero) : null,
        AppliedBy = item.Entry?.By,
    };

    private static IEnumerable<Planned> Newest(IEnumerable<Planned> plan) =>
        plan.GroupBy(item => item.Script!.Folder)
            .Select(folder => folder.MaxBy(item => item.Name, StringComparer.Ordinal)!);

    private static string Row(ScriptReport script, bool verbose)
    {
        var row = string.Create(CultureInfo.InvariantCulture,
            $"{script.State,-20} {script.AppliedAt,-19:yyyy-MM-dd HH:mm:ss}  {script.Name}");
        return verbose ? $"{row}  {script.AppliedBy ?? "-"}  {script.Sha256 ?? "-"}" : row;
    }
}
