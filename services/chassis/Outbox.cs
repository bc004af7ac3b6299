using System.Diagnostics;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OpenReadings.Chassis;

/// <summary>Wakes this process's relay after a commit that wrote to the outbox.</summary>
/// <remarks>Not LISTEN/NOTIFY: a notifying commit takes a lock that all other notifying commits of the server wait for.</remarks>
public sealed class OutboxSignal : IDisposable
{
    private readonly SemaphoreSlim semaphore = new(0, 1);
    private int awake;

    public void Wake()
    {
        if (Interlocked.Exchange(ref awake, 1) == 0) semaphore.Release();
    }

    internal async Task WaitAsync(TimeSpan limit, CancellationToken ct)
    {
        // Awake no more before the caller looks: what commits after that wakes it again.
        if (await semaphore.WaitAsync(limit, ct)) Volatile.Write(ref awake, 0);
    }

    public void Dispose() => semaphore.Dispose();
}

/// <summary>The outbox as its own role sees it: nothing else of the database.</summary>
public sealed record RelaySource(NpgsqlDataSource Source) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Source.DisposeAsync();
}

public sealed record OutboxRow(
    Guid Id, string EventType, string Subject, string Data, string? Traceparent, DateTimeOffset OccurredAt, short Failures);

/// <summary>
/// Sends what the outbox holds, in order, and deletes it once the broker has confirmed. At least once on the wire: a
/// crash before the commit sends again. Several replicas share the work. A row that the broker refuses when it is sent
/// alone, five times, is set aside in <c>outbox_parked</c>.
/// </summary>
public sealed class OutboxRelay(RelaySource relay, EventSender sender, OutboxSignal outbox, ILogger<OutboxRelay> log)
    : BackgroundService
{
    private const int BatchSize = 200, RefusalsBeforeParking = 5;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(5);
    // The first event goes at once. While others follow they go in handfuls: what a batch costs here, in the database and at
    // the broker is paid once for all of it, and the more there are, the longer the next ones are gathered.
    private static TimeSpan PaceAfter(int sent) => TimeSpan.FromMilliseconds(Math.Clamp(2 * sent, 10, 25));
    private int limit = BatchSize;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pause = TimeSpan.Zero;
        await sender.ConnectAsync(stoppingToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var sent = await SendBatchAsync(stoppingToken);
                if (pause > TimeSpan.Zero) log.LogInformation("The broker takes events again");
                pause = TimeSpan.Zero;
                if (sent >= limit) continue;                // there is more, or one by one after a refusal
                if (sent > 0) await Task.Delay(PaceAfter(sent), stoppingToken);
                await outbox.WaitAsync(Poll, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
            catch (Exception e)
            {
                if (pause == TimeSpan.Zero) log.LogWarning("Events wait in the outbox: {Reason}", e.Message);
                pause = TimeSpan.FromSeconds(Math.Clamp(pause.TotalSeconds * 2, 0.25, 10));
                await Task.Delay(pause, stoppingToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Sends one batch and says how many events it held. Tests call it instead of sleeping.</summary>
    public async Task<int> SendBatchAsync(CancellationToken ct)
    {
        Activity.Current = null;                            // each event carries the trace of the request that caused it
        await using var connection = await relay.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var rows = (await connection.QueryAsync<OutboxRow>(new(
            """
            delete from outbox
            where id = any (array(select id from outbox order by id limit @limit for update skip locked))
            returning id, event_type, subject, data::text, traceparent, occurred_at, failures
            """, new { limit }, transaction, cancellationToken: ct))).OrderBy(row => row.Id).ToList();
        if (rows.Count == 0) return 0;

        try
        {
            await sender.SendAsync(rows, ct);
            await transaction.CommitAsync(ct);              // a crash before this line sends again: at least once
            limit = BatchSize;
        }
        catch (EventRefusedException e)
        {
            await transaction.RollbackAsync(ct);
            if (rows.Count == 1) await CountRefusalAsync(connection, rows[0], e.Message, ct);
            limit = 1;                                      // alone, the refused row cannot hold its neighbours up
            return rows.Count;
        }
        return rows.Count;
    }

    private async Task CountRefusalAsync(NpgsqlConnection connection, OutboxRow row, string reason, CancellationToken ct)
    {
        if (row.Failures + 1 < RefusalsBeforeParking)
        {
            await connection.ExecuteAsync(new(
                "update outbox set failures = failures + 1 where id = @Id", new { row.Id }, cancellationToken: ct));
            return;
        }
        await connection.ExecuteAsync(new(
            """
            with refused as (delete from outbox where id = @Id returning *)
            insert into outbox_parked select refused.*, now(), @reason from refused
            """, new { row.Id, reason }, cancellationToken: ct));
        log.LogError("Event {Id} of type {Type} was refused {Times} times and is parked: {Reason}",
            row.Id, row.EventType, RefusalsBeforeParking, reason);
    }
}
