using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>Says what is applied and what is not. Takes no lock, writes nothing, makes no table.</summary>
internal static class Status
{
    public static Command Verb(Cli cli)
    {
        var exitCode = new Option<bool>("--exit-code")
        {
            Description = "Exit 3 if scripts are pending, 4 if something is wrong",
        };
        var verb = new Command("status", "Say what is applied and what is pending") { exitCode };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "status", async (target, log) =>
        {
            var report = await RunAsync(target, line.GetValue(exitCode), cli.Patience(line), log, ct);
            if (line.GetValue(cli.Output) == "text")
                foreach (var script in report.Scripts) line.InvocationConfiguration.Output.WriteLine(Row(script));
            return report;
        }));
        return verb;
    }

    public static Task<Report> RunAsync(
        Target target, bool exitCode, Patience patience, Action<string> log, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = "status" };
        return report.OfAsync(async () =>
        {
            var scripts = target.LoadScripts();
            await using var session = await Session.OpenAsync(target, patience, log, ct);
            report.On(session);
            await session.ExecuteAsync("set default_transaction_read_only = on", ct);
            var plan = Plan.Of(scripts, await new Journal(session, report.RunId).ReadAsync(ct));

            report.Scripts.AddRange(plan.Select(item => new ScriptReport
            {
                Name = item.Name,
                State = item.HashUnknown ? "applied-hash-unknown" : item.State.ToString().ToLowerInvariant(),
                Mode = item.Script is null ? null : item.Script.Header.NoTransaction ? "no-transaction" : "transaction",
                Sha256 = item.Script?.Sha256,
                AppliedAt = item.Entry?.Applied is { } at ? new DateTimeOffset(at, TimeSpan.Zero) : null,
                AppliedBy = item.Entry?.By,
            }));
            var objections = Plan.Objections(plan, allowLate: false).ToList();
            report.Warnings.AddRange(objections);
            var summary = string.Join(", ", plan.CountBy(item => item.State).OrderBy(state => state.Key)
                .Select(state => $"{state.Value} {state.Key.ToString().ToLowerInvariant()}"));
            var exit = !exitCode ? ExitCode.Ok
                : objections.Count > 0 ? ExitCode.Invalid
                : plan.Any(item => item.IsToApply) ? ExitCode.Pending : ExitCode.Ok;
            if (exit == ExitCode.Invalid) report.End(exit, string.Join('\n', objections));
            else report.End(exit, summary.Length > 0 ? summary : "no scripts");
        });
    }

    private static string Row(ScriptReport script) => string.Create(
        CultureInfo.InvariantCulture, $"{script.State,-20} {script.AppliedAt,-19:yyyy-MM-dd HH:mm:ss}  {script.Name}");
}
