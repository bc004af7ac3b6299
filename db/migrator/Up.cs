using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>What <c>migrate up</c> may be told. The defaults are those of production.</summary>
public sealed record UpOptions
{
    public string? To { get; init; }
    public int? Steps { get; init; }
    public bool DryRun { get; init; }
    public bool AllowLate { get; init; }
    public TimeSpan LockWait { get; init; } = TimeSpan.FromSeconds(120);
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(2);
    public TimeSpan StatementTimeout { get; init; } = TimeSpan.FromMinutes(15);
    public int Retries { get; init; } = 6;
    public TimeSpan RetryPause { get; init; } = TimeSpan.FromMilliseconds(500);
    public Patience Patience { get; init; } = new();
}

/// <summary>Applies what is pending, each script once, whoever else is at it.</summary>
internal static class Up
{
    public static Command Verb(Cli cli)
    {
        var defaults = new UpOptions();
        var to = new Option<string>("--to") { Description = "Apply up to and with this script", HelpName = "script" };
        var steps = new Option<int?>("--steps") { Description = "Apply at most so many" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Execute it all in one transaction, and roll back" };
        var allowLate = new Option<bool>("--allow-late") { Description = "Apply scripts older than some applied ones" };
        var lockWait = Cli.Time("--lock-wait", defaults.LockWait, "How long to wait for another runner");
        var lockTimeout = Cli.Time("--lock-timeout", defaults.LockTimeout, "How long a statement may queue for a lock");
        var timeout = Cli.Time("--statement-timeout", defaults.StatementTimeout, "How long a statement may take");
        var retries = new Option<int>("--ddl-retries")
        {
            Description = "How often to try again when a lock is not to be had",
            DefaultValueFactory = _ => defaults.Retries,
        };
        steps.Validators.Add(Cli.Positive);
        var verb = new Command("up", "Apply the scripts that are pending")
        {
            to, steps, dryRun, allowLate, lockWait, lockTimeout, timeout, retries,
        };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "up", (target, log) => RunAsync(target, new UpOptions
        {
            To = line.GetValue(to),
            Steps = line.GetValue(steps),
            DryRun = line.GetValue(dryRun),
            AllowLate = line.GetValue(allowLate),
            LockWait = line.GetValue(lockWait) ?? defaults.LockWait,
            LockTimeout = line.GetValue(lockTimeout) ?? defaults.LockTimeout,
            StatementTimeout = line.GetValue(timeout) ?? defaults.StatementTimeout,
            Retries = line.GetValue(retries),
            Patience = cli.Patience(line),
        }, log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(Target target, UpOptions options, Action<string> log, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = options.DryRun ? "up --dry-run" : "up" };
        return report.OfAsync(async () =>
        {
            var scripts = target.LoadScripts();
            await using var session = await Session.OpenAsync(target, options.Patience, log, ct);
            report.On(session);
            var turn = await AdvisoryLock.TakeAsync(session, options.LockWait, log, ct);
            report.Lock = new LockReport(turn.WaitedMs, turn.Holder);
            await ApplyAsync(report, scripts, session, options, log, ct);
            await AdvisoryLock.ReleaseAsync(session);
        });
    }

    private static async Task ApplyAsync(
        Report report, IReadOnlyList<Script> scripts, Session session, UpOptions options, Action<string> log,
        CancellationToken ct)
    {
        var journal = new Journal(session, report.RunId);
        // A trial is one transaction, tables of the journal and all, that is rolled back.
        if (options.DryRun) await session.ExecuteAsync("begin", ct);

        // Read under the lock: another runner may just have been at it.
        var plan = Plan.Of(scripts, await journal.ReadAsync(ct));
        report.Warnings.AddRange(Plan.Remarks(plan));
        foreach (var warning in report.Warnings) log($"warning: {warning}");
        if (Plan.Objections(plan, options.AllowLate).ToList() is { Count: > 0 } objections)
            throw new MigrationException(ExitCode.Invalid, string.Join('\n', objections));

        var pending = plan.Where(item => item.IsToApply).ToList();
        var chosen = Choose(plan, options).ToList();
        await journal.EnsureAsync(ct);
        foreach (var item in chosen)
        {
            var applied = await new ScriptRunner(session, journal, options, log).RunAsync(item.Script!, item.Entry, ct);
            report.Scripts.Add(applied);
            log($"{applied.State} {applied.Name} ({applied.Statements} statements, {applied.DurationMs} ms)");
        }

        if (options.DryRun) await session.ExecuteAsync("rollback", ct);
        report.End(ExitCode.Ok, options.DryRun
            ? $"{chosen.Count} of {pending.Count} pending tried and rolled back"
            : $"{chosen.Count} applied, {pending.Count - chosen.Count} pending");
    }

    private static IEnumerable<Planned> Choose(IReadOnlyList<Planned> plan, UpOptions options)
    {
        var last = plan.Count - 1;
        if (options.To is { } to)
        {
            last = plan.ToList().FindIndex(item => item.Name == to || item.Name == to + ".sql");
            if (last < 0) throw new MigrationException(ExitCode.Invalid, $"There is no script named {to}.");
        }
        return plan.Take(last + 1).Where(item => item.IsToApply).Take(options.Steps ?? int.MaxValue);
    }
}
