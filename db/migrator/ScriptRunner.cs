using System.Diagnostics;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>Applies one script: in one transaction with its journal row, or, if it asks for that, in none.</summary>
internal sealed partial class ScriptRunner(Session session, Journal journal, UpOptions options, Action<string> log)
{
    private readonly DateTimeOffset started = DateTimeOffset.UtcNow;
    private Statement? current;
    private long rows;
    private int retries;

    public async Task<ScriptReport> RunAsync(Script script, Entry? entry, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var statements = script.Statements();
        var state = options.DryRun ? "tried" : "applied";
        try
        {
            if (!script.Header.NoTransaction)
                await RetryAsync(script, _ => InTransactionAsync(script, statements, ct), ct);
            else if (options.DryRun) state = "not-tried";
            else await OutsideTransactionAsync(script, statements, entry, ct);
        }
        catch (PostgresException e)
        {
            var exit = IsTransient(e) ? ExitCode.Transient
                : script.Header.NoTransaction ? ExitCode.Partial : ExitCode.Failed;
            throw new MigrationException(exit, e.MessageText, ScriptError.Of(script, current, e), e);
        }
        // Whatever the script set for itself ends with it.
        await session.ResetAsync(ct);

        return new ScriptReport
        {
            Name = script.Name,
            State = state,
            Mode = script.Header.NoTransaction ? "no-transaction" : "transaction",
            Sha256 = script.Sha256,
            Statements = statements.Count,
            Rows = rows,
            Retries = retries,
            DurationMs = clock.ElapsedMilliseconds,
        };
    }

    // BEGIN and COMMIT are plain commands: the driver's transaction object would not survive what a script may do.
    private async Task InTransactionAsync(Script script, IReadOnlyList<Statement> statements, CancellationToken ct)
    {
        rows = 0;
        try
        {
            if (!options.DryRun) await session.ExecuteAsync("begin", ct);
            var transaction = await session.ScalarAsync<string>("select pg_current_xact_id()::text", ct);
            await LimitAsync("set local", script, unlimited: false, ct);
            foreach (var statement in statements) rows += await session.ExecuteAsync(current = statement, ct);
            current = null;

            await session.ExecuteAsync("reset session authorization", ct);
            await session.ExecuteAsync("reset role", ct);
            if (await session.ScalarAsync<string>("select pg_current_xact_id_if_assigned()::text", ct) != transaction)
                throw Refuse(script, "The script ended the transaction it runs in. A part of it may be applied.");
            await AssertLockAsync(script, ct);
            await journal.AddAsync(script, statements.Count, started, ct);
            if (!options.DryRun) await session.ExecuteAsync("commit", ct);
        }
        catch
        {
            await session.RollBackAsync();
            throw;
        }
    }

    // A lock that is not to be had soon is given up and asked for again: everybody queues behind one who waits for it.
    private async Task RetryAsync(Script script, Func<int, Task> attempt, CancellationToken ct)
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
                log($"{script.Name}: {e.SqlState} {e.MessageText}; "
                    + $"retry {tried + 1} of {most} in {pause.TotalSeconds:0.0} s");
                retries++;
                await Task.Delay(pause, ct);
            }
        }
    }

    private async Task LimitAsync(string set, Script script, bool unlimited, CancellationToken ct)
    {
        var lockTimeout = unlimited ? TimeSpan.Zero : script.Header.LockTimeout ?? options.LockTimeout;
        var statementTimeout = script.Header.StatementTimeout ?? (unlimited ? TimeSpan.Zero : options.StatementTimeout);
        await session.ExecuteAsync($"{set} lock_timeout = {Session.Milliseconds(lockTimeout)}", ct);
        await session.ExecuteAsync($"{set} statement_timeout = {Session.Milliseconds(statementTimeout)}", ct);
    }

    private async Task AssertLockAsync(Script script, CancellationToken ct)
    {
        if (!await AdvisoryLock.IsHeldAsync(session, ct))
            throw Refuse(script, "The script released the runner's lock (pg_advisory_unlock_all or DISCARD ALL?).");
    }

    private static MigrationException Refuse(Script script, string message) =>
        new(ExitCode.Failed, message, ScriptError.Of(script, offset: null, message));

    private static bool IsContention(PostgresException e) => e.SqlState is PostgresErrorCodes.LockNotAvailable
        or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    private static bool IsTransient(PostgresException e) => IsContention(e) || e.SqlState
        is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow;
}
