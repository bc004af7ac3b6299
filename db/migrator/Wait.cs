using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Waits until the database answers to a login and a statement, and not only on its port.</summary>
internal static class Wait
{
    public static Command Verb(Cli cli)
    {
        var verb = new Command("wait", "Wait until the database answers: 10 tries, 1 to 5 s apart, 5 s each");
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "wait", (target, log) =>
            RunAsync(target, cli.Patience(line), log, ct)));
        return verb;
    }

    public static Task<Report> RunAsync(Target target, Patience patience, Action<string> log, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = "wait" };
        return report.OfAsync(async () =>
        {
            await using var session = await Session.OpenAsync(target, patience, log, ct);
            report.On(session);
            report.End(ExitCode.Ok, "the database answers");
        });
    }
}
