using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>Begins a script: a name with the time in UTC, and a text that reminds of what every table needs.</summary>
internal static class Create
{
    public static Command Verb(Cli cli)
    {
        var name = new Argument<string?>("name")
        {
            Description = "What it does, verb first: add_workouts",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var message = new Option<string>("--message", "-m") { Description = "The same, as people with Alembic say it" };
        var outside = new Option<bool>("--no-transaction") { Description = "For create index concurrently and such" };
        var backfill = new Option<bool>("--backfill") { Description = "For filling a column batch by batch" };
        var rollback = new Option<bool>("--with-rollback") { Description = "Also begin its file in db/rollback" };
        var verb = new Command("create", "Begin a new script") { name, message, outside, backfill, rollback };
        verb.Aliases.Add("revision");
        verb.SetAction(line =>
        {
            try
            {
                var root = Targets.Root(line.GetValue(cli.Scripts));
                var known = string.Join('|', Targets.Services(root));
                var service = line.GetValue(cli.Service)
                    ?? throw MigrationException.Usage($"Say for which: --service shared|{known}");
                var said = line.GetValue(name) ?? line.GetValue(message)
                    ?? throw MigrationException.Usage("Say what it does.");
                var text = line.GetValue(backfill) ? Backfill
                    : line.GetValue(outside) ? OutsideTransaction : InTransaction;
                var path = Run(root, service, said, text, TimeProvider.System);
                Show(path);
                if (line.GetValue(rollback)) Show(BeginRollback(root, service, Path.GetFileName(path)));
                return (int)ExitCode.Ok;
            }
            catch (MigrationException e)
            {
                line.InvocationConfiguration.Error.WriteLine(e.Message);
                return (int)e.Exit;
            }

            void Show(string path) => line.InvocationConfiguration.Output.WriteLine(
                Path.GetRelativePath(Environment.CurrentDirectory, path));
        });
        return verb;
    }

    /// <returns>The path of the new file.</returns>
    public static string Run(string root, string service, string name, bool noTransaction, TimeProvider clock) =>
        Run(root, service, name, noTransaction ? OutsideTransaction : InTransaction, clock);

    private static string Run(string root, string service, string name, string text, TimeProvider clock)
    {
        var stamp = clock.GetUtcNow().ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        var file = $"{stamp}_{name.Trim().ToLowerInvariant().Replace(' ', '_').Replace('-', '_')}.sql";
        if (!Script.ValidName().IsMatch(file))
            throw MigrationException.Usage($"{name} is no name: a-z, 0-9 and _, verb first, such as add_workouts.");
        var folder = Path.Combine(root, service);
        if (service != "shared" && !Targets.Services(root).Contains(service))
            throw MigrationException.Usage($"There is no folder {folder}.");

        var files = Directory.EnumerateFiles(root, "*.sql", SearchOption.AllDirectories);
        if (files.Select(path => Path.GetFileName(path))
            .FirstOrDefault(other => other.StartsWith(stamp, StringComparison.Ordinal)) is { } same)
            throw MigrationException.Invalid($"{same} has this time already. Try again in a second.");
        var newest = Script.LoadAll(root, service).LastOrDefault(script => script.Folder == service)?.Name;
        if (string.CompareOrdinal(newest, file) > 0)
            throw MigrationException.Invalid($"{newest} is later than now, so this would be late. Is the clock right?");

        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, file);
        using var stream = new FileStream(path, FileMode.CreateNew);
        using var writer = new StreamWriter(stream);
        writer.Write(text);
        return path;
    }

    private static string BeginRollback(string root, string service, string file)
    {
        var folder = Directory.CreateDirectory(Path.GetFullPath(Path.Combine(root, "..", "rollback", service))).FullName;
        var path = Path.Combine(folder, file);
        File.WriteAllText(path, "-- What is lost by going back.\ndrop table things;\n");
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

    private const string Backfill = """
        -- Why these rows are filled. A run that is broken off goes on with the rows that are left.
        -- migrate: no-transaction
        -- migrate: phase data
        do $$
        declare
            batch bigint;
        begin
            loop
                update things set size = 0 where (user_id, thing_id) in (
                    select user_id, thing_id from things where size is null limit 1000 for update skip locked);
                get diagnostics batch = row_count;
                exit when batch = 0;
                commit;
                raise notice 'backfilled %', batch;
            end loop;
        end
        $$;

        """;
}
