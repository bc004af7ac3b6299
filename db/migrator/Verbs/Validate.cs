using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Looks at the files alone: names, headers, hashes against db/manifest.json, what belongs together.</summary>
internal static class Validate
{
    public static Command Verb(Cli cli)
    {
        var verb = new Command("validate", "Look at the files of the scripts, without a database");
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "validate", (target, _) =>
        {
            var report = new Report { Service = target.Service, Command = "validate" };
            return report.OfAsync(_ =>
            {
                report.EndWith(Findings(target).ToList(), ExitCode.Invalid, "the files are well");
                return Task.CompletedTask;
            }, null, ct);
        }, needsDatabase: false));
        return verb;
    }

    public static IEnumerable<string> Findings(Target target)
    {
        var scripts = target.LoadScripts();
        var names = scripts.Select(script => script.Name).ToHashSet();
        foreach (var finding in Manifest.Differences(target.ScriptsRoot, scripts)) yield return finding;
        foreach (var same in scripts.Where(script => !script.IsRepeatable).GroupBy(script => script.Name[..14])
            .Where(same => same.Count() > 1))
            yield return $"{string.Join(" and ", same.Select(script => script.Name))} have the same time";
        foreach (var script in scripts)
        {
            var rollback = script.IsRepeatable ? null : script.LoadRollback(target.ScriptsRoot);
            if (rollback is not null && script.Header.Irreversible is not null)
                yield return $"{script.File} is irreversible and has a rollback";
            foreach (var name in script.Header.Requires.Where(name => !names.Contains(name)))
                yield return $"{script.File} requires {name}, and there is none";
            foreach (var file in new[] { script, rollback }.OfType<Script>())
                if (Unreadable(file) is { } reason) yield return reason;
        }
        foreach (var path in Script.RollbacksOf(target.ScriptsRoot, target.Service))
            if (!names.Contains(Path.GetFileName(path))) yield return $"{path} undoes no script";
    }

    private static string? Unreadable(Script script)
    {
        try
        {
            script.Statements();
            return null;
        }
        catch (MigrationException e)
        {
            return e.Error!.ToString();
        }
    }
}
