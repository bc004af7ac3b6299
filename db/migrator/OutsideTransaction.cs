using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace OpenReadings.Migrator;

internal sealed partial class ScriptRunner
{
    // Statement by statement, each written down before it begins: a run that is killed is gone on with where it was.
    private async Task OutsideTransactionAsync(
        Script script, IReadOnlyList<Statement> statements, Entry? entry, CancellationToken ct)
    {
        var unfinished = entry?.State is "running" or "partial";
        var done = unfinished ? ResumeAt(script, statements, entry!) : 0;
        if (done > 0) log($"{script.Name}: going on after {done} of {statements.Count} statements");
        for (; done < statements.Count; done++)
        {
            current = statements[done];
            await MarkAsync("running", error: null, ct);
            try
            {
                await RetryAsync(script, tried => StatementAsync(script, current, unfinished || tried > 0, ct), ct);
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
        await AssertLockAsync(script, ct);
        await session.ExecuteAsync("begin", ct);
        await journal.AddAsync(script, statements.Count, started, ct);
        await session.ExecuteAsync("commit", ct);

        Task MarkAsync(string state, string? error, CancellationToken ct) => journal.MarkAsync(
            script, state, done, statements.Count, HashOf(statements, done), started, error, ct);
    }

    private async Task StatementAsync(Script script, Statement statement, bool again, CancellationToken ct)
    {
        var index = ConcurrentIndex.Of(statement);
        // A build that was broken off leaves an index that is never used and that IF NOT EXISTS takes for done.
        if (again && index is not null) await index.DropInvalidAsync(session, log, ct);
        var concurrently = statement.Head.Contains("concurrently", StringComparison.Ordinal);
        await LimitAsync("set", script, unlimited: concurrently, ct);
        rows += await session.ExecuteAsync(statement, ct);
        if (index is not null && await index.IsInvalidAsync(session, ct))
        {
            var message = $"The index {index.Name} is INVALID. The next run drops it and builds it again.";
            throw new MigrationException(ExitCode.Partial, message, ScriptError.Of(script, statement.Offset, message));
        }
    }

    // The statements done before must be the same still; those after them may have been mended.
    private static int ResumeAt(Script script, IReadOnlyList<Statement> statements, Entry entry)
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
