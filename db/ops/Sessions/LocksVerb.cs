using System.CommandLine;

namespace OpenReadings.Ops.Sessions;

/// <summary>Shows who waits for whom, and stops who is told: a statement, or the whole session.</summary>
internal static class LocksVerb
{
    internal sealed record Stopped(int Pid, string How)
    {
        public override string ToString() => $"{Pid}: {How}.";
    }

    public static Command Verb()
    {
        var cancel = new Option<int?>("--cancel") { Description = "Stop the statement of this process", HelpName = "PID" };
        var terminate = new Option<int?>("--terminate")
        {
            Description = "End the session of this process; its transaction is rolled back", HelpName = "PID",
        };
        var verb = new Command("locks", "Who waits for a lock, for how long, and whose") { Place.Which, cancel, terminate };
        return verb.Runs<object>(async (line, _, ct) =>
        {
            await using var database = await Place.Of(line)[0].OpenAsync(ct);
            if (line.GetValue(terminate) is { } session) return (Exit.Ok, await StopAsync(database, session, terminate: true, ct));
            if (line.GetValue(cancel) is { } statement) return (Exit.Ok, await StopAsync(database, statement, terminate: false, ct));
            var tree = await BlockingTree.ReadAsync(database, ct);
            return (tree.Blocked.Count == 0 ? Exit.Ok : Exit.Findings, tree);
        });
    }

    // Clients only: a background worker that is ended may take the server with it.
    public static async Task<Stopped> StopAsync(ServiceDatabase database, int pid, bool terminate, CancellationToken ct)
    {
        var stopped = await database.QueryAsync<bool>(
            """
            select case when @terminate then pg_terminate_backend(pid) else pg_cancel_backend(pid) end
            from pg_stat_activity where pid = @pid and backend_type = 'client backend' and pid <> pg_backend_pid()
            """, ct, new { pid, terminate });
        return stopped is [true]
            ? new(pid, terminate ? "the session is told to end" : "the statement is told to stop")
            : throw new OpsException(Exit.Refused, $"There is no client with process {pid}.");
    }
}
