using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Goes on with one script that was broken off outside of a transaction, and with nothing else.</summary>
internal static class Resume
{
    public static Command Verb(Cli cli)
    {
        var limits = new ApplyFlags();
        var name = new Argument<string>("script");
        var verb = new Command("resume", "Go on with one script that was broken off; up does so too") { name };
        limits.AddTo(verb);
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "resume", (target, log) => RunAsync(
            target, line.GetValue(name)!, limits.Fill(line, cli.Fill(line, new UpOptions())), log, ct)));
        return verb;
    }

    public static async Task<Report> RunAsync(
        Target target, string name, UpOptions options, Action<string> log, CancellationToken ct)
    {
        var script = "";
        var look = await Turn.LookAsync(target, "resume", options, log, async (turn, ct) =>
        {
            var plan = await turn.PlanAsync(ct);
            var item = plan[Plan.IndexOf(plan, name)];
            if (item.State != ScriptState.Partial) throw MigrationException.Invalid($"{item.Name} was not broken off.");
            script = item.Name;
        }, ct);
        return look.Failed ? look
            : await Up.RunAsync(target, options with { Only = new HashSet<string> { script } }, log, ct);
    }
}
