using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>What <c>migrate up</c> may be told.</summary>
public sealed record UpOptions : ApplyOptions
{
    public string? To { get; init; }
    public int? Steps { get; init; }

    /// <summary>The last phase to run; null for all.</summary>
    public Phase? Phase { get; init; }
    public bool AllowLate { get; init; }

    /// <summary>Nothing but these.</summary>
    public IReadOnlySet<string>? Only { get; init; }
    public BackupOptions Backup { get; init; } = new();
}

/// <summary>Applies what is pending, each script once, whoever else is at it.</summary>
internal static class Up
{
    public static Command Verb(Cli cli)
    {
        var limits = new ApplyFlags();
        var target = new Argument<string?>("target")
        {
            Description = "head, a script, or +N",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var to = new Option<string>("--to") { Description = "Apply up to and with this script", HelpName = "script" };
        var steps = new Option<int?>("--steps") { Description = "Apply at most so many" };
        var phase = new Option<Phase?>("--phase") { Description = "Apply no script of a later phase than this" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Execute it all in one transaction, and roll back" };
        var shadow = new Option<bool>("--shadow") { Description = "Apply it to a copy of the schema, for real" };
        var sql = new Option<bool>("--sql") { Description = "Print it for psql instead" };
        var allowLate = new Option<bool>("--allow-late") { Description = "Apply scripts older than some applied ones" };
        var newerThan = new Option<TimeSpan?>("--require-backup-newer-than")
        {
            Description = "Refuse unless BACKUP_DIRECTORY holds a backup of the last so many hours",
            CustomParser = Cli.ParseTime,
        };
        var backups = new Option<string>("--backups") { Description = "Where backups are [default: BACKUP_DIRECTORY]" };
        var hook = new Option<string>("--backup-hook") { Description = "A command to run before; if it fails, refuse" };
        steps.Validators.Add(Cli.Positive);
        var verb = new Command("up", "Apply the scripts that are pending")
        {
            target, to, steps, phase, dryRun, shadow, sql, allowLate, newerThan, backups, hook,
        };
        verb.Aliases.Add("upgrade");
        limits.AddTo(verb);
        verb.SetAction((line, ct) =>
        {
            var options = limits.Fill(line, cli.Fill(line, new UpOptions
            {
                To = line.GetValue(to),
                Steps = line.GetValue(steps),
                Phase = line.GetValue(phase),
                DryRun = line.GetValue(dryRun),
                AllowLate = line.GetValue(allowLate),
                Backup = new(line.GetValue(newerThan), line.GetValue(backups), line.GetValue(hook)),
            }));
            options = line.GetValue(target) switch
            {
                null or "head" => options,
                ['+', .. var n] when int.TryParse(n, CultureInfo.InvariantCulture, out var most) && most > 0
                    => options with { Steps = most },
                var name => options with { To = name },
            };
            return cli.ForEachAsync(line, "up", (service, log) =>
                line.GetValue(sql) ? PrintPlan.RunAsync(service, from: null, options, log, ct)
                : line.GetValue(shadow) ? OnShadowAsync(service, cli.ShadowServer(line), options, log, ct)
                : RunAsync(service, options, log, ct));
        });
        return verb;
    }

    public static Task<Report> RunAsync(Target target, UpOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, options.DryRun ? "up --dry-run" : "up", options, log,
            (turn, ct) => ApplyAsync(turn, options, ct), ct);

    public static async Task<Report> OnShadowAsync(
        Target target, string server, UpOptions options, Action<string> log, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = "up --shadow" };
        await report.OfAsync(async ct =>
        {
            await using var shadow = await Shadow.CreateAsync(target, server, ct);
            await shadow.CopyAsync(target, ct);
            report = await RunAsync(shadow.Target, options with { Backup = new() }, log, ct);
        }, options.MaxDuration, ct);
        return report;
    }

    private static async Task ApplyAsync(Turn turn, UpOptions options, CancellationToken ct)
    {
        var (report, session, journal) = (turn.Report, turn.Session, turn.Journal);
        // A trial is one transaction, tables of the journal and all, that is rolled back.
        if (options.DryRun) await session.ExecuteAsync("begin", ct);

        // Read under the lock: another runner may just have been at it.
        var plan = await turn.PlanAsync(ct);
        report.Warnings.AddRange(Plan.Remarks(plan));
        foreach (var warning in report.Warnings) turn.Log($"warning: {warning}");
        var chosen = Choose(plan, options);
        if (!options.DryRun) await Backups.GuardAsync(turn, options.Backup, chosen.Count > 0, ct);

        if (chosen.Count > 0) turn.Log($"to apply: {string.Join(", ", chosen.Select(item => item.Name))}");
        await journal.EnsureAsync(ct);
        var pending = plan.Count(item => item.IsToApply);
        foreach (var item in chosen)
        {
            var applied = await new ScriptRunner(turn, options, item.Script!).RunAsync(item.Entry, ct);
            report.Scripts.Add(applied);
            turn.Log($"{applied.State} {applied.Name} ({applied.Statements} statements, {applied.DurationMs} ms)");
        }

        if (options.DryRun) await session.ExecuteAsync("rollback", ct);
        else Telemetry.Pending.Record(pending - chosen.Count, Telemetry.Tag(turn.Target));
        report.End(ExitCode.Ok, options.DryRun
            ? $"{chosen.Count} of {pending} pending tried and rolled back"
            : $"{chosen.Count} applied, {pending - chosen.Count} pending");
    }

    /// <summary>What of the plan is to be applied now.</summary>
    /// <exception cref="MigrationException">Something stands against applying anything at all.</exception>
    public static IReadOnlyList<Planned> Choose(IReadOnlyList<Planned> plan, UpOptions options)
    {
        bool IsMeant(Planned item) => options.Only?.Contains(item.Name) ?? true;
        if (Plan.Objections(plan.Where(IsMeant), options.AllowLate).ToList() is { Count: > 0 } objections)
            throw MigrationException.Invalid(string.Join('\n', objections));

        // Views and functions are of the newest schema: not when the way ends before it.
        var partly = options.To is not null || options.Steps is not null;
        var end = options.To is { } to ? Plan.IndexOf(plan, to) + 1 : plan.Count;
        var chosen = plan.Take(end).Where(item => item.IsToApply && IsMeant(item))
            .Where(item => options.Phase is not { } last || item.Script!.Header.Phase <= last)
            .Where(item => !partly || !item.Script!.IsRepeatable)
            .Take(options.Steps ?? int.MaxValue).ToList();

        Plan.RequireOrder(plan, chosen);
        var phases = chosen.Select(item => item.Script!.Header.Phase).ToHashSet();
        var isNew = plan.All(item => item.Entry?.Applied is null);
        if (options.IsGuarded && !isNew && phases.Contains(Phase.Contract) && phases.Count > 1)
            throw MigrationException.Refused("Scripts that take away are pending beside others. Apply those first "
                + "(--phase data), roll the programs out, then come back; or say --yes.");
        return chosen;
    }
}
