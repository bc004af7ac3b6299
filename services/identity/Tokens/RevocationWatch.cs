using OpenReadings.Chassis;

namespace OpenReadings.Identity.Tokens;

/// <summary>
/// Looks, for all who wait together, whether something was revoked: four times a second, and only while somebody waits. It asks the database:
/// another replica may have revoked it, and LISTEN wants a connection of its own, which a pool by transaction has not.
/// </summary>
public sealed class RevocationWatch(Database database, IHostApplicationLifetime lifetime)
{
    /// <summary>Anybody may ask: whoever is one too many gets the answer at once.</summary>
    private const int MostWaiting = 100;
    // A look that hangs, at a database that is gone without a word, must not keep others from looking.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250), Patience = TimeSpan.FromSeconds(1);
    private readonly Lock gate = new();
    private Task looking = Task.CompletedTask;
    private int waiting;
    private string seen = "0";

    private sealed record Look(bool IsMore, string Next);

    /// <summary>Ends when something may have been revoked since this was called.</summary>
    public Task NextAsync()
    {
        lock (gate)
        {
            if (!looking.IsCompleted) return looking;
            // It outlives the request that began it, and belongs to no trace.
            using var flow = ExecutionContext.SuppressFlow();
            return looking = Task.Run(LookAsync);
        }
    }

    /// <summary>Whether the caller is to look again; not so when the time is over, too many wait, the database hangs or the service stops.</summary>
    public async Task<bool> WaitAsync(Task next, TimeSpan limit, CancellationToken ct)
    {
        if (limit <= TimeSpan.Zero) return false;
        try
        {
            if (Interlocked.Increment(ref waiting) > MostWaiting) return false;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping);
            await next.WaitAsync(limit, either.Token);
            return true;
        }
        catch (TimeoutException) { return false; }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested) { return false; }
        finally { Interlocked.Decrement(ref waiting); }
    }

    private async Task LookAsync()
    {
        using var quiet = OpenTelemetry.SuppressInstrumentationScope.Begin();
        do
        {
            await Task.Delay(Pace, lifetime.ApplicationStopping);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping);
            limit.CancelAfter(Patience);
            var look = (await database.ReadUnownedAsync<Look>(
                """
                select exists (select from revocations where added_by >= @seen::xid8) as is_more, pg_snapshot_xmin(pg_current_snapshot())::text as next
                """, new { seen }, limit.Token))[0];
            seen = look.Next;
            if (look.IsMore) return;
        }
        while (Volatile.Read(ref waiting) > 0);
    }
}
