using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Finds the scripts and the database of each service that was asked for.</summary>
internal static class Targets
{
    public static IReadOnlyList<Target> Of(Cli cli, ParseResult line, bool needsDatabase)
    {
        var root = Root(line.GetValue(cli.Scripts));
        var known = Services(root);
        if (known.Count == 0) throw MigrationException.Usage($"{root} has no folder of a service.");
        var asked = line.GetValue(cli.Service)
            ?? throw MigrationException.Usage($"Say which: --service {string.Join('|', known)}|all");
        if (asked == "all")
        {
            if (line.GetValue(cli.Connection) is not null)
                throw MigrationException.Usage("--connection is one database; --service all has one for each service.");
            return [.. known.Select(service => new Target(service, root, Connect(service, alone: false)))];
        }
        if (!known.Contains(asked))
            throw MigrationException.Usage($"{root} has no folder {asked}. It has {string.Join(", ", known)}.");
        return [new Target(asked, root, line.GetValue(cli.Connection) ?? Connect(asked, alone: true))];

        string Connect(string service, bool alone) =>
            needsDatabase ? Find(service, line.GetValue(cli.Role)!, alone) : "";
    }

    /// <summary>What was given; or db/scripts here or further up; or scripts/ beside the program.</summary>
    public static string Root(DirectoryInfo? given)
    {
        if (given is not null)
            return given.Exists ? given.FullName : throw MigrationException.Usage($"There is no folder {given}.");
        for (var folder = new DirectoryInfo(Environment.CurrentDirectory); folder is not null; folder = folder.Parent)
        {
            var scripts = Path.Combine(folder.FullName, "db", "scripts");
            if (Directory.Exists(scripts)) return scripts;
        }
        var beside = Path.Combine(AppContext.BaseDirectory, "scripts");
        return Directory.Exists(beside)
            ? beside
            : throw MigrationException.Usage("No db/scripts here or further up. Say where: --scripts DIR");
    }

    public static IReadOnlyList<string> Services(string root) =>
    [
        .. Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!)
            .Where(name => name != "shared").Order(StringComparer.Ordinal),
    ];

    private static string Find(string service, string role, bool alone)
    {
        // The general key is enough for one service; for several it would be one database for all of them.
        string[] keys = alone ? [$"{service}_{role}", role] : [$"{service}_{role}"];
        foreach (var key in keys)
            if (Secret($"ConnectionStrings__{key}") is { } value) return value;
        throw MigrationException.Usage($"No database for {service}: "
            + $"set ConnectionStrings__{keys[0]} in the environment, or as a file in SECRETS_DIRECTORY.");
    }

    /// <summary>From the environment, or a file of that name in SECRETS_DIRECTORY.</summary>
    public static string? Secret(string name)
    {
        if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value) return value;
        if (Environment.GetEnvironmentVariable("SECRETS_DIRECTORY") is not { Length: > 0 } secrets) return null;
        var file = Path.Combine(secrets, name);
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }
}
