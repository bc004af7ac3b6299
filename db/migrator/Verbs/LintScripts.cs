using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using OpenReadings.Migrator.Lint;

namespace OpenReadings.Migrator;

/// <summary>
/// Says what is unsafe in the scripts, for a person, a program, a code scanner or a pull request. Needs no database, unless it is
/// asked to look at one.
/// </summary>
internal static class LintScripts
{
    public static Command Verb(Cli cli)
    {
        Option<string> format = new("--format") { Description = "How to say it", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "json", "sarif", "github");
        Option<bool> strict = new("--strict-dbup") { Description = "What DbUp would stumble over is an error too" };
        Option<string> since = new("--since") { Description = "Only files that changed since this commit", HelpName = "REF" };
        Option<bool> db = new("--db") { Description = "What the databases' own catalogs show, and not the scripts" };
        var verb = new Command("lint", "Say what is unsafe in the scripts; exit 10 on errors") { format, strict, since, db };
        verb.SetAction(async (line, ct) =>
        {
            var (output, error) = (line.InvocationConfiguration.Output, line.InvocationConfiguration.Error);
            try
            {
                var findings = line.GetValue(db) ? await LookAsync(cli, line, ct) : Read(cli, line, strict, since);
                output.WriteLine(line.GetValue(format) switch
                {
                    "json" => JsonSerializer.Serialize(findings.Select(Flat), Report.Json),
                    "sarif" => Sarif(findings),
                    "github" => string.Join('\n', findings.Select(finding =>
                        $"::{Level(finding)} file={finding.Where.Source.File},line={finding.Where.Line},title={finding.Rule.Id}::{finding.What}. {finding.Rule.Why}. Instead: {finding.Rule.SafeForm}.")),
                    _ => string.Join('\n', findings.Select(finding => finding.ToString())
                        .Append($"{findings.Count(IsError)} errors, {findings.Count(finding => !IsError(finding))} warnings")),
                });
                return findings.Any(IsError) ? (int)ExitCode.Lint : (int)ExitCode.Ok;
            }
            catch (MigrationException e)
            {
                error.WriteLine(e.Message);
                return (int)e.Exit;
            }
        });
        return verb;
    }

    private static List<Finding> Read(Cli cli, ParseResult line, Option<bool> strict, Option<string> since)
    {
        PgQuery.Prepare();
        var root = Targets.Root(line.GetValue(cli.Scripts));
        var services = line.GetValue(cli.Service) is { } asked and not "all" ? [asked] : Targets.Services(root);
        var changed = line.GetValue(since) is { } from ? ChangedSince(from, root) : null;
        // What is shared is found once for each service.
        return [.. services.SelectMany(service => Linter.Run(root, service, line.GetValue(strict)))
            .DistinctBy(finding => (finding.Rule.Id, finding.Where.Source.Path, finding.Where.Line, finding.What))
            .Where(finding => changed?.Contains(Path.GetFullPath(finding.Where.Source.Path)) ?? true)];
    }

    private static async Task<List<Finding>> LookAsync(Cli cli, ParseResult line, CancellationToken ct)
    {
        var findings = new List<Finding>();
        foreach (var target in Targets.Of(cli, line, true))
        {
            var report = await Turn.LookAsync(target, "lint --db", cli.Fill(line, new RunOptions()), text => line.InvocationConfiguration.Error.WriteLine($"{target.Service}: {text}"),
                async (turn, ct) => findings.AddRange(await LiveCatalog.AskAsync(turn.Session, target, ct)), ct);
            if (report.Failed) throw new MigrationException(report.Exit, $"{target.Service}: {report.Message}");
        }
        return findings;
    }

    private static bool IsError(Finding finding) => finding.Severity == Severity.Error;

    private static string Level(Finding finding) => IsError(finding) ? "error" : "warning";

    private static object Flat(Finding finding) => new
    {
        Rule = finding.Rule.Id, Severity = Level(finding), finding.Where.Source.File, finding.Where.Line, finding.What, finding.Rule.Why, finding.Rule.SafeForm,
    };

    // SARIF 2.1.0, as code scanners read it.
    private static string Sarif(IReadOnlyList<Finding> findings) => JsonSerializer.Serialize(new Dictionary<string, object>
    {
        ["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json",
        ["version"] = "2.1.0",
        ["runs"] = new[]
        {
            new
            {
                tool = new
                {
                    driver = new
                    {
                        name = "migrate lint",
                        rules = Linter.Rules.Concat(Linter.Others).Concat(LiveCatalog.Own).Select(rule => new
                        {
                            id = rule.Id,
                            shortDescription = new { text = rule.Why },
                            help = new { text = $"Instead: {rule.SafeForm}." },
                            defaultConfiguration = new { level = rule.Severity == Severity.Error ? "error" : "warning" },
                        }),
                    },
                },
                results = findings.Select(finding => new
                {
                    ruleId = finding.Rule.Id,
                    level = Level(finding),
                    message = new { text = $"{finding.What}. {finding.Rule.Why}. Instead: {finding.Rule.SafeForm}." },
                    locations = new[]
                    {
                        new { physicalLocation = new { artifactLocation = new { uri = finding.Where.Source.File.Replace('\\', '/') }, region = new { startLine = finding.Where.Line } } },
                    },
                }),
            },
        },
    });

    private static HashSet<string> ChangedSince(string reference, string root)
    {
        string[] Git(params string[] words)
        {
            using var git = Process.Start(new ProcessStartInfo("git", words) { WorkingDirectory = root, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var said = git.StandardOutput.ReadToEnd();
            var complaint = git.StandardError.ReadToEnd();
            git.WaitForExit();
            return git.ExitCode == 0 ? said.Split('\n', StringSplitOptions.RemoveEmptyEntries) : throw MigrationException.Usage($"git: {complaint.Trim()}");
        }

        var top = Git("rev-parse", "--show-toplevel")[0];
        return [.. Git("diff", "--name-only", reference, "--", ".").Concat(Git("ls-files", "--others", "--exclude-standard", "--full-name", "--", ".")).Select(file => Path.GetFullPath(Path.Combine(top, file)))];
    }
}
