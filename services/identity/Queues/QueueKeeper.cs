using OpenReadings.Chassis;

namespace OpenReadings.Identity.Queues;

/// <summary>
/// Keeps the broker as application_queues says: queues and users that shall be there are made, the others thrown out. What does not succeed is tried
/// again until it does. Several replicas share the work; who does the same twice does no harm.
/// </summary>
public sealed class QueueKeeper(QueuePlace place, BrokerManagement broker, Database database, TimeProvider clock, ILogger<QueueKeeper> log)
    : PeriodicService(Pause, clock, log, "Queues of applications were not looked at")
{
    private const int AtOnce = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromSeconds(5);

    private sealed record Due(string Name, byte[] PasswordHash, DateTimeOffset ChangedAt, int Attempts, bool IsEnded, bool IsOpen, bool IsChanged);

    /// <summary>Sees to all that is due.</summary>
    public override async Task RunOnceAsync(CancellationToken ct)
    {
        if (place.Management is null) return;
        while (await SettleDueAsync(ct) == AtOnce) { }
    }

    private async Task<int> SettleDueAsync(CancellationToken ct)
    {
        IReadOnlyList<Due> due;
        await using (var db = await database.BeginUnownedAsync(ct))
        {
            due = await db.QueryAsync<Due>("select name, password_hash, changed_at, attempts, is_ended, is_open, is_changed from take_queues(@AtOnce)", new { AtOnce });
            await db.CommitAsync();
        }
        if (due.Count == 0) return 0;
        var settled = (await Task.WhenAll(due.Select(queue => SettleAsync(queue, ct)))).OfType<Due>().ToList();
        // A queue is ready when events come to where it gets them from.
        if (settled.Count == 0 || !await BindAsync(ct)) return due.Count;
        await using (var db = await database.BeginUnownedAsync(ct))
        {
            foreach (var queue in settled) await db.ExecuteAsync("call settle_queue(@Name, @ChangedAt)", queue);
            await db.CommitAsync();
        }
        return due.Count;
    }

    private async Task<bool> BindAsync(CancellationToken ct)
    {
        // Whoever is to be shut out next must not wait for a broker that hangs.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Patience);
        try
        {
            await using var platform = await Forwarder.ConnectAsync(place.Platform, limit.Token);
            await Forwarder.BindAsync(platform, database, limit.Token);
            return true;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            Log.LogWarning("The events of the platform could not be bound to {Queue}, or unbound: queues of applications are not ready before. It is tried again: {Reason}", Forwarder.Queue, e.Message);
            return false;
        }
    }

    // Null where the broker is not as it should be.
    private async Task<Due?> SettleAsync(Due queue, CancellationToken ct)
    {
        try
        {
            if (queue.IsOpen)
            {
                await broker.MakeAsync(queue.Name, queue.PasswordHash, ct);
                // Who came in with the password of before.
                if (queue.IsChanged) await broker.CloseAsync(queue.Name, ct);
            }
            else await broker.ShutOutAsync(queue.Name, ct);
            if (queue.IsEnded) await broker.RemoveAsync(queue.Name, ct);
            return queue;
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is HttpRequestException or TaskCanceledException)
        {
            Log.LogWarning("The broker does not have queue {Queue} as it should be, try {Attempts}: {Reason}", queue.Name, queue.Attempts, e.Message);
            return null;
        }
    }
}
