namespace OpenReadings.Migrator;

/// <summary>The migrator in process, for tests and tools. A service never calls it: the migration job does.</summary>
public static class Migrations
{
    /// <summary>
    /// Applies the shared scripts and those of the service (if there are any) that are not applied yet. Doing it again
    /// changes nothing, and any number may do it at once.
    /// </summary>
    /// <exception cref="MigrationException">The run did not end well; its exit code says in which way.</exception>
    public static async Task<Report> UpAsync(
        string connectionString, string scriptsRoot, string service, CancellationToken ct)
    {
        var report = await UpAsync(new Target(service, scriptsRoot, connectionString), new UpOptions(), log: null, ct);
        ct.ThrowIfCancellationRequested();
        if (report.Failed) throw new MigrationException(report.Exit, report.ToString(), report.Error);
        return report;
    }

    /// <summary>The same with all that can be chosen. It does not throw: the report says what went wrong.</summary>
    public static Task<Report> UpAsync(Target target, UpOptions options, Action<string>? log, CancellationToken ct) =>
        Up.RunAsync(target, options, log ?? (_ => { }), ct);

    /// <summary>What <c>migrate status --exit-code</c> says, after one attempt to connect. Reads only, and does not throw.</summary>
    public static Task<Report> StatusAsync(string service, string connectionString, CancellationToken ct)
    {
        try
        {
            var target = new Target(service, Targets.Root(given: null), connectionString);
            return Status.RunAsync(target, exitCode: true, new RunOptions { Patience = new Patience { Attempts = 1 } }, log: _ => { }, ct);
        }
        catch (MigrationException e)
        {
            var report = new Report { Service = service, Command = "status" };
            report.End(e.Exit, e.Message);
            return Task.FromResult(report);
        }
    }
}
