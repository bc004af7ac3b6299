using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>
/// What a review would ask of the scripts anyway: the files, and on a shadow database up, down as far as there are
/// rollbacks, and up again, which must make the same schema twice, and that of db/schema.
/// </summary>
internal static class Check
{
    public static Command Verb(Cli cli)
    {
        var verb = new Command("check", "Everything about the scripts that a build should refuse");
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "check", (target, log) => RunAsync(
            target, cli.ShadowServer(line), cli.Fill(line, new RunOptions()), log, ct), needsDatabase: false));
        return verb;
    }

    public static Task<Report> RunAsync(
        Target target, string shadowServer, RunOptions options, Action<string> log, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = "check" };
        return report.OfAsync(async ct =>
        {
            var found = Validate.Findings(target).ToList();
            await using var shadow = await Shadow.CreateAsync(target, shadowServer, ct);
            found.AddRange(await ThereAndBackAsync(report, shadow.Target, options, log, ct));
            report.EndWith(found, ExitCode.Invalid, "all is well");
        }, options.MaxDuration, ct);
    }

    private static async Task<List<string>> ThereAndBackAsync(
        Report report, Target shadow, RunOptions options, Action<string> log, CancellationToken ct)
    {
        var up = new UpOptions { Environment = options.Environment, Yes = true };
        var scripts = shadow.LoadScripts().Where(script => !script.IsRepeatable);
        var back = scripts.Reverse().Where(script => script.Header.RunsIn(options.Environment)).TakeWhile(
            script => script.Header.Irreversible is null && script.LoadRollback(shadow.ScriptsRoot) is not null).Count();

        await MustAsync(Up.RunAsync(shadow, up, log, ct));
        var first = await Picture.OfAsync(shadow, ct);
        if (back > 0)
        {
            var down = new DownOptions { To = $"-{back}", Environment = options.Environment, BackupOk = true };
            await MustAsync(Down.RunAsync(shadow, down, log, ct));
            await MustAsync(Up.RunAsync(shadow, up, log, ct));
        }
        var second = await Picture.OfAsync(shadow, ct);
        report.Lines.Add($"up, {back} down, up");

        var file = Path.GetFullPath(Path.Combine(shadow.ScriptsRoot, "..", "schema", $"{shadow.Service}.sql"));
        var kept = File.Exists(file) ? await File.ReadAllTextAsync(file, ct) : null;
        return
        [
            .. Differences(first, second, "was there before going down and up again"),
            .. Differences(second, first, "came from going down and up again"),
            .. kept is null ? [] : Differences(second, kept, $"is not in {file} (./dev schema renews it)"),
            .. kept is null ? [] : Differences(kept, second, $"is in {file} and not in the scripts"),
        ];
    }

    private static IEnumerable<string> Differences(string has, string hasNot, string what) =>
        Picture.Difference(has, hasNot).Where(part => !part.StartsWith("--", StringComparison.Ordinal))
            .Select(part => $"{what}: {part}");

    private static async Task MustAsync(Task<Report> run)
    {
        if (await run is { Failed: true } failed)
            throw new MigrationException(failed.Exit, failed.Message!, failed.Error);
    }
}
