using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>Begins a script: a name with the time in UTC, and a text that reminds of what every table needs.</summary>
internal static class Create
{
    public static Command Verb(Cli cli)
    {
        var name = new Argument<string>("name") { Description = "What it does, verb first: add_workouts" };
        var outside = new Option<bool>("--no-transaction") { Description = "For CREATE INDEX CONCURRENTLY and the like" };
        var verb = new Command("create", "Begin a new script") { name, outside };
        verb.SetAction(line =>
        {
            try
            {
                var service = line.GetValue(cli.Service) ?? throw new MigrationException(ExitCode.Usage, "Say for which: --service NAME|shared");
                var path = Run(Targets.Root(line.GetValue(cli.Scripts)), service, line.GetValue(name)!, line.GetValue(outside), TimeProvider.System);
                line.InvocationConfiguration.Output.WriteLine(Path.GetRelativePath(Environment.CurrentDirectory, path));
                return (int)ExitCode.Ok;
            }
            catch (MigrationException e)
            {
                line.InvocationConfiguration.Error.WriteLine(e.Message);
                return (int)e.Exit;
            }
        });
        return verb;
    }

    /// <returns>The path of the new file.</returns>
    public static string Run(string root, string service, string name, bool noTransaction, TimeProvider clock)
    {
        var stamp = clock.GetUtcNow().ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        var file = $"{stamp}_{name.Trim().ToLowerInvariant().Replace(' ', '_').Replace('-', '_')}.sql";
        if (!Script.ValidName().IsMatch(file))
            throw new MigrationException(ExitCode.Usage, $"{name} is no name: a-z, 0-9 and _, verb first, such as add_workouts.");
        var folder = Path.Combine(root, service);
        if (service is "" or "all" || Path.GetFileName(folder) != service || (service != "shared" && !Directory.Exists(folder)))
            throw new MigrationException(ExitCode.Usage, $"There is no folder {folder}.");

        var others = Directory.EnumerateFiles(root, "*.sql", SearchOption.AllDirectories).ToList();
        if (others.Find(path => Path.GetFileName(path).StartsWith(stamp, StringComparison.Ordinal)) is { } same)
            throw new MigrationException(ExitCode.Invalid, $"{Path.GetFileName(same)} has this time already. Try again in a second.");
        if (others.Find(path => Path.GetDirectoryName(path) == folder && string.CompareOrdinal(Path.GetFileName(path), file) > 0) is { } later)
            throw new MigrationException(ExitCode.Invalid, $"{Path.GetFileName(later)} is later than now, so this one would come late. Is the clock right?");

        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, file);
        using var stream = new FileStream(path, FileMode.CreateNew);
        using var writer = new StreamWriter(stream);
        writer.Write(noTransaction ? OutsideTransaction : InTransaction);
        return path;
    }

    private const string InTransaction = """
        -- Why this change is made, and how code of the release before goes on working with it.
        create table things (
            user_id uuid not null default app_user_id(),
            thing_id uuid not null,
            created_at timestamptz not null default now(),
            primary key (user_id, thing_id)
        );
        call own_rows('things');

        """;

    private const string OutsideTransaction = """
        -- Why this change is made. One statement: nothing rolls back what comes before one that fails.
        -- migrate: no-transaction
        create index concurrently things_created_at on things (user_id, created_at);

        """;
}
