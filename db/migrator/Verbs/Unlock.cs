using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Says who has the lock, or ends that session.</summary>
internal static class Unlock
{
    public static Command Verb(Cli cli)
    {
        var show = new Option<bool>("--show") { Description = "Only say who it is (as without any flag)" };
        var terminate = new Option<bool>("--terminate") { Description = "End the session that has the lock" };
        var verb = new Command("unlock", "Say who has the lock, or take it away") { show, terminate };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "unlock", (target, log) =>
            RunAsync(target, line.GetValue(terminate), cli.Fill(line, new RunOptions()), log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(
        Target target, bool terminate, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.LookAsync(target, "unlock", options, log, async (turn, ct) =>
        {
            var holder = await AdvisoryLock.HolderAsync(turn.Session, ct);
            if (holder is null) turn.Report.End(ExitCode.Ok, "the lock is free");
            else if (!terminate) turn.Report.End(ExitCode.Ok, $"held by {holder}");
            else if (await AdvisoryLock.TerminateAsync(turn.Session, ct)) turn.Report.End(ExitCode.Ok, $"ended {holder}");
            else turn.Report.End(ExitCode.Busy, $"still held by {holder}");
        }, ct);
}
