namespace OpenReadings.Migrator;

/// <summary>What every verb may be told. The defaults are those of production.</summary>
public record RunOptions
{
    public const string Production = "prod";

    public string Environment { get; init; } = Production;

    /// <summary>A person has seen what a guard would ask about.</summary>
    public bool Yes { get; init; }
    public TimeSpan LockWait { get; init; } = TimeSpan.FromSeconds(120);
    public TimeSpan? MaxDuration { get; init; }
    public Patience Patience { get; init; } = new();

    internal bool IsProduction => Environment is Production or "production";
    internal bool IsGuarded => IsProduction && !Yes;
}

/// <summary>
/// What verbs share around their own work: the report, the connection, and, for those that change something, the turn
/// of the one runner that may be at it.
/// </summary>
internal sealed record Turn(
    Target Target, IReadOnlyList<Script> Scripts, Session Session, Journal Journal, Report Report, RunOptions Options,
    Action<string> Log)
{
    /// <summary>Alone: waits for its turn and gives it back.</summary>
    public static Task<Report> TakeAsync(
        Target target, string command, RunOptions options, Action<string> log,
        Func<Turn, CancellationToken, Task> work, CancellationToken ct) =>
        RunAsync(target, command, options, log, async (turn, ct) =>
        {
            var held = await AdvisoryLock.TakeAsync(turn.Session, options.LockWait, log, ct);
            turn.Report.Lock = new LockReport(held.WaitedMs, held.Holder);
            Telemetry.LockWait.Record(held.WaitedMs / 1000.0, Telemetry.Tag(target));
            await work(turn, ct);
            await AdvisoryLock.ReleaseAsync(turn.Session);
        }, ct);

    /// <summary>Beside whoever is at it: takes no lock, writes nothing, makes no table.</summary>
    public static Task<Report> LookAsync(
        Target target, string command, RunOptions options, Action<string> log,
        Func<Turn, CancellationToken, Task> work, CancellationToken ct) =>
        RunAsync(target, command, options, log, async (turn, ct) =>
        {
            await turn.Session.ExecuteAsync("set default_transaction_read_only = on", ct);
            await work(turn, ct);
        }, ct);

    private static Task<Report> RunAsync(
        Target target, string command, RunOptions options, Action<string> log,
        Func<Turn, CancellationToken, Task> work, CancellationToken ct)
    {
        var report = new Report { Service = target.Service, Command = command };
        return report.OfAsync(async ct =>
        {
            // Before the database is waited for: a file that cannot be a script is known at once.
            var scripts = target.LoadScripts();
            await using var session = await Session.OpenAsync(target, options.Patience, log, ct);
            report.On(session);
            var journal = new Journal(session, report.RunId);
            await work(new Turn(target, scripts, session, journal, report, options, log), ct);
        }, options.MaxDuration, ct);
    }

    /// <summary>Files and journal joined, as they are now.</summary>
    public async Task<IReadOnlyList<Planned>> PlanAsync(CancellationToken ct) =>
        Plan.Of(Scripts, await Journal.ReadAsync(ct), Options.Environment);
}
