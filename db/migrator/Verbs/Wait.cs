using System.CommandLine;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>Waits until the database answers to a login and a statement, and not only on its port.</summary>
internal static class Wait
{
    public static Command Verb(Cli cli)
    {
        var schema = new Option<bool>("--for-schema")
        {
            Description = "Then until it has every script that a program of this release needs",
        };
        var verb = new Command("wait", "Wait until the database answers: 10 tries, 1 to 5 s apart, 5 s each") { schema };
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "wait", (target, log) =>
        {
            var options = cli.Fill(line, new RunOptions());
            return line.GetValue(schema) ? ForSchemaAsync(target, options, log, ct)
                : RunAsync(target, options.Patience, log, ct);
        }));
        return verb;
    }

    public static Task<Report> RunAsync(Target target, Patience patience, Action<string> log, CancellationToken ct) =>
        Turn.LookAsync(target, "wait", new RunOptions { Patience = patience }, log, (turn, _) =>
        {
            turn.Report.End(ExitCode.Ok, "the database answers");
            return Task.CompletedTask;
        }, ct);

    /// <summary>
    /// For an init container, with the login of the program: that one may read the names and nothing else of the
    /// journal. A newer schema will do, and what only takes away later need not be there.
    /// </summary>
    public static Task<Report> ForSchemaAsync(
        Target target, RunOptions options, Action<string> log, CancellationToken ct) =>
        Turn.LookAsync(target, "wait --for-schema", options, log, async (turn, ct) =>
        {
            var needed = turn.Scripts
                .Where(script => !script.IsRepeatable && script.Header.RunsIn(options.Environment))
                .Where(script => script.Header.Phase == Phase.Expand).Select(script => script.Name).ToArray();
            for (var attempt = 1; ; attempt++)
            {
                var missing = needed.Except(await NamesAsync(turn.Session, ct)).ToList();
                if (missing.Count == 0)
                {
                    turn.Report.End(ExitCode.Ok, "the schema is there");
                    return;
                }
                log($"waiting for {missing.Count} scripts, first {missing[0]}, "
                    + $"try {attempt} of {options.Patience.Attempts}");
                if (attempt == options.Patience.Attempts)
                {
                    turn.Report.End(ExitCode.Pending, $"{missing.Count} scripts are missing, first {missing[0]}");
                    return;
                }
                await options.Patience.PauseAsync(ct);
            }
        }, ct);

    private static async Task<IReadOnlyList<string>> NamesAsync(Session session, CancellationToken ct)
    {
        try
        {
            return await session.QueryAsync("select scriptname from public.schemaversions", row => row.GetString(0), ct);
        }
        catch (PostgresException e)
            when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InsufficientPrivilege)
        {
            return [];
        }
    }
}
