using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Writes scripts into the journal without running them, for a schema that came about in another way.</summary>
internal static class Stamp
{
    public static IEnumerable<Command> Verbs(Cli cli)
    {
        var target = new Argument<string>("target") { Description = "head, a script (it and all before it), or base" };
        var purge = new Option<bool>("--purge") { Description = "First forget everything that is in the journal" };
        var stamp = new Command("stamp", "Journal scripts without running them") { target, purge };
        stamp.SetAction((line, ct) => cli.ForEachAsync(line, "stamp", (service, log) => RunAsync(
            service, line.GetValue(target)!, line.GetValue(purge), cli.Fill(line, new RunOptions()), log, ct)));

        var baseline = new Command("baseline", "The same, for a database that has no journal yet") { target };
        baseline.SetAction((line, ct) => cli.ForEachAsync(line, "baseline", (service, log) => BaselineAsync(
            service, line.GetValue(target)!, cli.Fill(line, new RunOptions()), log, ct)));
        return [stamp, baseline];
    }

    public static Task<Report> RunAsync(
        Target target, string to, bool purge, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, "stamp", options, log, async (turn, ct) =>
        {
            if (purge && options.IsGuarded)
                throw MigrationException.Refused("The journal would be forgotten. Say --yes if that is meant.");
            await WriteAsync(turn, to, purge, ct);
        }, ct);

    public static Task<Report> BaselineAsync(
        Target target, string to, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, "baseline", options, log, async (turn, ct) =>
        {
            if (await turn.Journal.ReadAsync(ct) is { Count: > 0 } journal)
                throw MigrationException.Refused($"The journal has {journal.Count} scripts. Say stamp, not baseline.");
            await WriteAsync(turn, to, purge: false, ct);
        }, ct);

    /// <summary>All or nothing: what is up to <paramref name="to"/> and not in the journal.</summary>
    public static async Task WriteAsync(
        Turn turn, string to, bool purge, CancellationToken ct, Func<Script, DateTime?>? appliedAt = null)
    {
        var plan = await turn.PlanAsync(ct);
        var end = to switch { "head" => plan.Count, "base" => 0, _ => Plan.IndexOf(plan, to) + 1 };
        var wanted = plan.Take(end).Where(item => item.Script is { IsRepeatable: false })
            .Where(item => purge || item.IsToApply).Select(item => item.Script!).ToList();
        var forgotten = purge ? plan.Where(item => item.Entry is not null).Select(item => item.Entry!.Name).ToList() : [];

        await turn.Journal.EnsureAsync(ct);
        await turn.Session.AtomicallyAsync(async () =>
        {
            foreach (var name in forgotten) await turn.Journal.ForgetAsync(name, ct);
            foreach (var script in wanted) await turn.Journal.StampAsync(script, appliedAt?.Invoke(script), ct);
        }, ct);
        turn.Report.Scripts.AddRange(wanted.Select(script => new ScriptReport
        {
            Name = script.Name,
            State = "stamped",
            Sha256 = script.Sha256,
        }));
        turn.Report.End(ExitCode.Ok, $"{wanted.Count} stamped, {forgotten.Count} forgotten");
    }
}
