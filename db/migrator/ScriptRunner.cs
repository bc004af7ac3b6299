using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>How statements are limited and tried again, up or down.</summary>
public record ApplyOptions : RunOptions
{
    public bool DryRun { get; init; }
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(2);
    public TimeSpan StatementTimeout { get; init; } = TimeSpan.FromMinutes(15);
    public int Retries { get; init; } = 6;
    public TimeSpan RetryPause { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>After how long a second connection looks at what a statement waits for and how far it is.</summary>
    public TimeSpan WatchEvery { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Runs one script, or with <paramref name="undone"/> the rollback of that one: in one transaction with its journal
/// row, or, if it asks for that, in none.
/// </summary>
internal sealed partial class ScriptRunner(Turn turn, ApplyOptions options, Script script, Script? undone = null)
{
    private readonly Session session = turn.Session;
    private readonly DateTimeOffset started = DateTimeOffset.UtcNow;
    private IReadOnlyList<string>? locks;
    private Statement? current;
    private long rows;
    private int retries;

    public async Task<ScriptReport> RunAsync(Entry? entry, CancellationToken ct)
    {
        using var span = Telemetry.Spans.StartActivity($"script {script.Name}");
        var clock = Stopwatch.StartNew();
        var statements = script.Statements();
        var state = options.DryRun ? "tried" : undone is null ? "applied" : "reverted";
        await using var watcher = new Watcher(turn, options.WatchEvery);
        session.Noticed += CountBackfilled;
        try
        {
            if (!script.Header.NoTransaction)
                await RetryAsync(_ => InTransactionAsync(statements, ct), ct);
            else if (options.DryRun) state = "not-tried";
            else await OutsideTransactionAsync(statements, entry, ct);
        }
        catch (PostgresException e)
        {
            span?.SetStatus(ActivityStatusCode.Error, e.SqlState);
            var exit = IsTransient(e) ? ExitCode.Transient
                : script.Header.NoTransaction ? ExitCode.Partial : ExitCode.Failed;
            var error = ScriptError.Of(script, current, e);
            if (e.SqlState == PostgresErrorCodes.LockNotAvailable) error = error with { Blocking = watcher.Blocking };
            throw new MigrationException(exit, e.MessageText, error, e);
        }
        finally
        {
            session.Noticed -= CountBackfilled;
        }
        // Whatever the script set for itself ends with it.
        await session.ResetAsync(ct);

        if (!options.DryRun) Telemetry.Applied.Add(1, Telemetry.Tag(turn.Target));
        Telemetry.Duration.Record(clock.Elapsed.TotalSeconds, Telemetry.Tag(turn.Target));
        return new ScriptReport
        {
            Name = undone?.Name ?? script.Name,
            State = state,
            Mode = script.Header.NoTransaction ? "no-transaction" : "transaction",
            Phase = script.Header.Phase,
            Sha256 = script.Sha256,
            Statements = statements.Count,
            Rows = rows,
            Retries = retries,
            Locks = locks,
            DurationMs = clock.ElapsedMilliseconds,
        };
    }

    // BEGIN and COMMIT are plain commands: the driver's transaction object would not survive what a script may do.
    private async Task InTransactionAsync(IReadOnlyList<Statement> statements, CancellationToken ct)
    {
        rows = 0;
        try
        {
            if (!options.DryRun) await session.ExecuteAsync("begin", ct);
            var transaction = await session.ScalarAsync<string>("select pg_current_xact_id()::text", ct);
            var newest = await session.ScalarAsync<long>("select max(oid::bigint) from pg_class", ct);
            await LimitAsync("set local", unlimited: false, ct);
            foreach (var statement in statements) await ExecuteAsync(statement, ct);
            current = null;

            await session.ExecuteAsync("reset session authorization", ct);
            await session.ExecuteAsync("reset role", ct);
            if (await session.ScalarAsync<string>("select pg_current_xact_id_if_assigned()::text", ct) != transaction)
                throw Refuse("The script ended the transaction it runs in. A part of it may be applied.");
            await AssertLockAsync(ct);
            locks = await LocksAsync(newest, ct);
            await WriteJournalAsync(statements.Count, ct);
            if (!options.DryRun) await session.ExecuteAsync("commit", ct);
        }
        catch
        {
            await session.RollBackAsync();
            throw;
        }
    }

    private async Task ExecuteAsync(Statement statement, CancellationToken ct)
    {
        using var span = Telemetry.Spans.StartActivity(statement.Head);
        var affected = await session.ExecuteAsync(current = statement, ct);
        rows += affected;    // only now: the batches of a backfill are counted meanwhile
    }

    private Task WriteJournalAsync(int statements, CancellationToken ct) => undone is null
        ? turn.Journal.AddAsync(script, statements, started, ct)
        : turn.Journal.RemoveAsync(undone, started, ct);

    // A lock that is not to be had soon is given up and asked for again: everybody queues behind one who waits for it.
    private async Task RetryAsync(Func<int, Task> attempt, CancellationToken ct)
    {
        var most = options.DryRun ? 0 : script.Header.Retries ?? options.Retries;
        for (var tried = 0; ; tried++)
        {
            try
            {
                await attempt(tried);
                return;
            }
            catch (PostgresException e) when (IsContention(e) && tried < most)
            {
                var pause = options.RetryPause * Math.Min(1 << tried, 32) * (0.5 + Random.Shared.NextDouble());
                turn.Log($"{script.Name}: {e.SqlState} {e.MessageText}; "
                    + $"retry {tried + 1} of {most} in {pause.TotalSeconds:0.0} s");
                retries++;
                Telemetry.Retries.Add(1, Telemetry.Tag(turn.Target));
                await Task.Delay(pause, ct);
            }
        }
    }

    private async Task LimitAsync(string set, bool unlimited, CancellationToken ct)
    {
        foreach (var limit in Limits(set, script, options, unlimited)) await session.ExecuteAsync(limit, ct);
    }

    /// <summary>How long the statements of a script may wait and run, as statements.</summary>
    public static IEnumerable<string> Limits(string set, Script script, ApplyOptions options, bool unlimited)
    {
        var lockTimeout = unlimited ? TimeSpan.Zero : script.Header.LockTimeout ?? options.LockTimeout;
        var statementTimeout = script.Header.StatementTimeout ?? (unlimited ? TimeSpan.Zero : options.StatementTimeout);
        yield return $"{set} lock_timeout = {Session.Milliseconds(lockTimeout)}";
        yield return $"{set} statement_timeout = {Session.Milliseconds(statementTimeout)}";
    }

    // What others would have waited for: locks on tables and indexes that were there before the script.
    private Task<List<string>> LocksAsync(long newestBefore, CancellationToken ct) => session.QueryAsync(
        """
        select distinct format('%s on %s', mode, relation::regclass)
        from pg_locks
        where pid = pg_backend_pid() and locktype = 'relation' and relation between 16384 and @newest::oid
          and database <> 0 and mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
        order by 1
        """, row => row.GetString(0), ct, new NpgsqlParameter("newest", newestBefore));

    // The batches of a backfill announce themselves: raise notice 'backfilled %'.
    private void CountBackfilled(string notice)
    {
        if (Backfilled().Match(notice) is not { Success: true } match) return;
        var count = long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        rows += count;
        Telemetry.Backfilled.Add(count, Telemetry.Tag(turn.Target));
    }

    private async Task AssertLockAsync(CancellationToken ct)
    {
        if (!await AdvisoryLock.IsHeldAsync(session, ct))
            throw Refuse("The script released the runner's lock (pg_advisory_unlock_all or DISCARD ALL?).");
    }

    private MigrationException Refuse(string message) =>
        new(ExitCode.Failed, message, ScriptError.Of(script, offset: null, message));

    private static bool IsContention(PostgresException e) => e.SqlState is PostgresErrorCodes.LockNotAvailable
        or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    private static bool IsTransient(PostgresException e) => IsContention(e) || e.SqlState
        is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow;

    [GeneratedRegex(@"^backfilled (\d{1,18})\b")]
    private static partial Regex Backfilled();
}
