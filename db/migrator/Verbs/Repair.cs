using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>What <c>migrate repair</c> is to do; if nothing, it says what it could.</summary>
public sealed record RepairOptions : RunOptions
{
    /// <summary>Scripts whose text of today is taken for what was applied.</summary>
    public IReadOnlyList<string> Accept { get; init; } = [];

    /// <summary>Scripts that were broken off and are to begin again.</summary>
    public IReadOnlyList<string> Restart { get; init; } = [];
    public bool Renamed { get; init; }
    public bool InvalidIndexes { get; init; }
}

/// <summary>Brings journal and files together again, each way by its name and none by itself.</summary>
internal static class Repair
{
    public static Command Verb(Cli cli)
    {
        var accept = new Option<string[]>("--accept")
        {
            Description = "Take the text of this script for what was applied",
        };
        var restart = new Option<string[]>("--restart") { Description = "Forget how far this broken-off script came" };
        var renamed = new Option<bool>("--renamed") { Description = "Give journal rows the new names of their files" };
        var indexes = new Option<bool>("--invalid-indexes") { Description = "Drop indexes that a build left invalid" };
        var verb = new Command("repair", "Say what does not fit, or mend it") { accept, restart, renamed, indexes };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "repair", (target, log) => RunAsync(
            target, cli.Fill(line, new RepairOptions
            {
                Accept = line.GetValue(accept) ?? [],
                Restart = line.GetValue(restart) ?? [],
                Renamed = line.GetValue(renamed),
                InvalidIndexes = line.GetValue(indexes),
            }), log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(Target target, RepairOptions options, Action<string> log, CancellationToken ct) =>
        Turn.TakeAsync(target, "repair", options, log, async (turn, ct) =>
        {
            var plan = await turn.PlanAsync(ct);
            var accepted = Named(plan, options.Accept, ScriptState.Changed);
            var restarted = Named(plan, options.Restart, ScriptState.Partial);
            var renamed = plan.Where(item => item.State == ScriptState.Renamed).ToList();
            var indexes = await InvalidIndexesAsync(turn.Session, ct);
            var done = 0;

            await turn.Session.AtomicallyAsync(async () =>
            {
                foreach (var item in accepted)
                {
                    await turn.Journal.MarkAsync(item.Script!, "applied", 0, 0, null, DateTimeOffset.UtcNow, null, ct);
                    Say(true, $"accepted the text of {item.Name}");
                }
                foreach (var item in restarted)
                {
                    await turn.Journal.ForgetAsync(item.Name, ct);
                    Say(true, $"{item.Name} will begin again");
                }
                foreach (var item in renamed)
                {
                    if (options.Renamed) await turn.Journal.RenameAsync(item.RenamedFrom!, item.Name, ct);
                    Say(options.Renamed, $"{item.RenamedFrom} is now {item.Name}", "--renamed");
                }
            }, ct);
            foreach (var index in indexes)
            {
                if (options.InvalidIndexes) await turn.Session.ExecuteAsync($"drop index concurrently {index}", ct);
                Say(options.InvalidIndexes, $"dropped the invalid index {index}", "--invalid-indexes");
            }
            foreach (var item in plan.Except([.. accepted, .. restarted]))
            {
                if (item.State == ScriptState.Changed) Say(false, $"{item.Name} was changed", $"--accept {item.Name}");
                if (item.State == ScriptState.Partial) Say(false, $"{item.Name} was broken off", $"--restart {item.Name}");
            }
            turn.Report.End(ExitCode.Ok, $"{done} repaired, {turn.Report.Lines.Count - done} left");

            void Say(bool mended, string what, string? how = null)
            {
                if (mended) done++;
                turn.Report.Lines.Add(mended ? what : $"could be repaired by {how}: {what}");
            }
        }, ct);

    public static Task<List<string>> InvalidIndexesAsync(Session session, CancellationToken ct) => session.QueryAsync(
        "select indexrelid::regclass::text from pg_index where not indisvalid order by 1", row => row.GetString(0), ct);

    private static List<Planned> Named(IReadOnlyList<Planned> plan, IReadOnlyList<string> names, ScriptState state) =>
    [
        .. names.Select(name => plan[Plan.IndexOf(plan, name)]).Select(item => item.State == state ? item
            : throw MigrationException.Invalid($"{item.Name} is {item.State.ToString().ToLowerInvariant()}, "
                + $"and not {state.ToString().ToLowerInvariant()}.")),
    ];
}
