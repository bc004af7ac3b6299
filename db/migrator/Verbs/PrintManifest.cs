using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Prints the digest of a service's set of scripts, by which Kubernetes names its migration job.</summary>
internal static class PrintManifest
{
    public static Command Verb(Cli cli)
    {
        var write = new Option<bool>("--write") { Description = "Renew db/manifest.json" };
        var verb = new Command("manifest", "Print the digest of a service's scripts") { write };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "manifest", (target, _) =>
        {
            var report = new Report { Service = target.Service, Command = "manifest" };
            return report.OfAsync(_ =>
            {
                if (line.GetValue(write)) Manifest.Write(target.ScriptsRoot);
                var scripts = target.LoadScripts();
                report.Document = Manifest.DigestOf(scripts) + "\n";
                report.End(ExitCode.Ok, $"{scripts.Count} scripts");
                return Task.CompletedTask;
            }, null, ct);
        }, needsDatabase: false));
        return verb;
    }
}
