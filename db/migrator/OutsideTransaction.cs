using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace OpenReadings.Migrator;

internal sealed partial class ScriptRunner
{
    // Statement by statement, each written down before it begins: a run that is killed is gone on with where it was. A
    // rollback is not: it can be repeated, and begins again.
    private async Task OutsideTransactionAsync(
        IReadOnlyList<Statement> statements, Entry? entry, CancellationToken ct)
    {
        var unfinished = undone is null && entry?.State is "running" or "partial" && !script.IsRepeatable;
        var first = unfinished ? ResumeAt(statements, entry!) : 0;
        if (first > 0) turn.Log($"{script.Name}: going on after {first} of {statements.Count} statements");
        var done = first;
        for (; done < statements.Count; done++)
        {
            var statement = current = statements[done];
            await MarkAsync("running", error: null, ct);
            try
            {
                var wasKilled = unfinished && done == first && entry!.State == "running";
                await RetryAsync(tried => StatementAsync(statement, unfinished || tried > 0, wasKilled, ct), ct);
            }
            catch (Exception e) when (e is PostgresException or MigrationException && session.IsOpen)
            {
                var reason = e is PostgresException refused ? refused.MessageText : e.Message;
                await MarkAsync("partial", reason, CancellationToken.None);
                throw;
            }
        }
        current = null;

        await session.ResetAsync(ct);
        await AssertLockAsync(ct);
        await session.AtomicallyAsync(() => WriteJournalAsync(statements.Count, ct), ct);

        Task MarkAsync(string state, string? error, CancellationToken ct) => undone is not null ? Task.CompletedTask
            : turn.Journal.MarkAsync(
                script, state, done, statements.Count, HashOf(statements, done), started, error, ct);
    }

    private async Task StatementAsync(Statement statement, bool again, bool wasKilled, CancellationToken ct)
    {
        var index = ConcurrentIndex.Of(statement);
        // A build that was broken off leaves an index that is never used and that IF NOT EXISTS takes for done.
        if (again && index is not null) await index.DropInvalidAsync(session, turn.Log, ct);
        // The last run was killed after the build and before it could write that down.
        if (wasKilled && index is not null && await index.IsValidAsync(session, ct)) return;
        var concurrently = statement.Head.Contains("concurrently", StringComparison.Ordinal);
        await LimitAsync("set", unlimited: concurrently, ct);
        await ExecuteAsync(statement, ct);
        if (index is not null && await index.IsInvalidAsync(session, ct))
        {
            var message = $"The index {index.Name} is INVALID. The next run drops it and builds it again.";
            throw new MigrationException(ExitCode.Partial, message, ScriptError.Of(script, statement.Offset, message));
        }
    }

    // The statements done before must be the same still; those after them may have been mended.
    private int ResumeAt(IReadOnlyList<Statement> statements, Entry entry)
    {
        if (entry.Done <= statements.Count && HashOf(statements, entry.Done) == entry.DoneSha256) return entry.Done;
        var message = $"Its first {entry.Done} statements were done by a run that did not finish, "
            + "and were changed since. Bring them back.";
        throw new MigrationException(ExitCode.Invalid, message, ScriptError.Of(script, offset: null, message));
    }

    private static string HashOf(IReadOnlyList<Statement> statements, int count)
    {
        var text = string.Join(";\n", statements.Take(count).Select(statement => statement.Text));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
