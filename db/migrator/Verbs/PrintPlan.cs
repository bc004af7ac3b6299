using System.CommandLine;
using System.Text;

namespace OpenReadings.Migrator;

/// <summary>What <c>up</c> would do, as a file for psql: with its settings, its transactions and the journal.</summary>
internal static class PrintPlan
{
    public static Command Verb(Cli cli)
    {
        var limits = new ApplyFlags();
        var from = new Option<string>("--from")
        {
            Description = "Ask no database: all after this script, or after base",
            HelpName = "script|base",
        };
        var to = new Option<string>("--to") { Description = "Up to and with this script", HelpName = "script" };
        var phase = new Option<Phase?>("--phase") { Description = "No script of a later phase than this" };
        var verb = new Command("plan", "Print for psql what up would do") { from, to, phase };
        limits.AddTo(verb);
        verb.SetAction((line, ct) =>
        {
            var options = limits.Fill(line, cli.Fill(line, new UpOptions
            {
                To = line.GetValue(to),
                Phase = line.GetValue(phase),
            }));
            return cli.ForEachAsync(line, "plan", (target, log) =>
                RunAsync(target, line.GetValue(from), options, log, ct), needsDatabase: line.GetValue(from) is null);
        });
        return verb;
    }

    public static Task<Report> RunAsync(
        Target target, string? from, UpOptions options, Action<string> log, CancellationToken ct)
    {
        if (from is null)
            return Turn.LookAsync(target, "plan", options, log,
                async (turn, ct) => Print(turn.Report, await turn.PlanAsync(ct), options), ct);
        var report = new Report { Service = target.Service, Command = "plan" };
        return report.OfAsync(ct =>
        {
            var scripts = target.LoadScripts();
            var plan = Plan.Of(scripts, [], options.Environment);
            var assumed = plan.Take(from == "base" ? 0 : Plan.IndexOf(plan, from) + 1).ToDictionary(
                item => item.Name, item => new Entry(item.Name, DateTime.UnixEpoch, null, null, 0, null, null, 1));
            Print(report, Plan.Of(scripts, assumed, options.Environment), options);
            return Task.CompletedTask;
        }, options.MaxDuration, ct);
    }

    private static void Print(Report report, IReadOnlyList<Planned> plan, UpOptions options)
    {
        var chosen = Up.Choose(plan, options);
        report.Scripts.AddRange(chosen.Select(item => new ScriptReport
        {
            Name = item.Name,
            State = "pending",
            Phase = item.Script!.Header.Phase,
            Sha256 = item.Script.Sha256,
        }));
        var sql = new StringBuilder($$"""
            -- migrate plan --service {{report.Service}}: {{chosen.Count}} scripts, as {{report.Service}}_migrator
            \set ON_ERROR_STOP on
            {{Settings}}
            do $lock$
            begin
                if not pg_try_advisory_lock({{AdvisoryLock.Key}}) then
                    raise exception 'Another runner is at work.';
                end if;
            end
            $lock$;
            {{Journal.MakeTables}};

            """);
        foreach (var item in chosen) sql.Append(Block(item.Script!, report.RunId, options));
        sql.Append($"\nselect pg_advisory_unlock({AdvisoryLock.Key});\n");
        report.Document = sql.ToString();
        report.End(ExitCode.Ok, $"{chosen.Count} to apply");
    }

    private const string Settings = "reset all; set search_path = public; set timezone = 'UTC'; set row_security = off;";

    private static string Block(Script script, Guid runId, UpOptions options)
    {
        var (statements, outside) = (script.Statements(), script.Header.NoTransaction);
        var text = script.Text.TrimEnd();
        if (statements.Count > 0 && !text.EndsWith(';')) text += "\n;";
        var limits = string.Join(";\n", ScriptRunner.Limits(outside ? "set" : "set local", script, options, outside));
        var journal = Journal.AddingSql(script, statements.Count, runId);
        return outside
            ? $"\n-- {script.Name}\n{Settings}\n{limits};\n{text}\nbegin;\n{journal}commit;\n"
            : $"\n-- {script.Name}\n{Settings}\nbegin;\n{limits};\n{text}\n{journal}commit;\n";
    }
}
