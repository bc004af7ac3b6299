using System.Text.Json;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Sync.Importing;

/// <summary>How an import ended.</summary>
public sealed record Ending(string State, string? Type = null, string? Detail = null);

/// <summary>
/// One import in the hands of this worker. Every write names the lease, so a worker that was taken for dead and is not can
/// change nothing any more.
/// </summary>
public sealed class ImportJob(Database database, Guid user, Guid import, Guid lease, ImportJob.Row row, int leaseSeconds)
{
    public sealed record Row(
        string Format, Guid? SourceId, string? SourceName, string? Mapping, long TotalBytes, string? Checkpoint, int Attempts, bool IsOld, bool CancelRequested);

    private sealed record Claimed(Guid UserId, Guid ImportId);

    private sealed record Error(string Type, string Detail);

    public Guid User => user;
    public Guid Import => import;
    public ImportRequest Request { get; } = new(row.Format, row.SourceId, row.SourceName, row.Mapping);
    public long TotalBytes => row.TotalBytes;
    public int Attempts => row.Attempts;

    /// <summary>It has been tried for as long as it may be.</summary>
    public bool IsOld => row.IsOld;
    public bool CancelRequested => row.CancelRequested;
    public Checkpoint? Checkpoint { get; } = row.Checkpoint is { } json ? JsonSerializer.Deserialize<Checkpoint>(json, Wire.Json) : null;

    /// <summary>Takes the import that waits longest; null when none does.</summary>
    public static async Task<ImportJob?> ClaimAsync(Database database, ImportOptions options, CancellationToken ct)
    {
        var lease = Guid.NewGuid();
        await using var db = await database.BeginUnownedAsync(ct);
        var claimed = await db.FindAsync<Claimed>("select user_id, import_id from claim_import(@lease, @LeaseSeconds)", new { lease, options.LeaseSeconds });
        await db.CommitAsync();
        if (claimed is not var (user, import)) return null;

        await using var own = await database.BeginAsync(user, ct);
        var row = await own.FindAsync<Row>(
            """
            select format, source_id, source_name, mapping, total_bytes, checkpoint::text, attempts::int,
                   created_at < now() - @GiveUpAfter as is_old, cancel_requested
            from imports
            where import_id = @import
            """, new { import, options.GiveUpAfter });
        return row is null ? null : new(database, user, import, lease, row, options.LeaseSeconds);
    }

    /// <summary>Writes down how far it has come, and tells whether to go on: not when the lease is lost, or the owner cancelled.</summary>
    public async Task<(bool Goes, bool Cancelled)> SaveAsync(Progress at, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await WriteAsync(db, at, "running", null, default) is not { } cancelled) return (false, false);
        await db.CommitAsync();
        return (!cancelled, cancelled);
    }

    /// <summary>Lets go of it for a while.</summary>
    public async Task PauseAsync(Progress at, string reason, TimeSpan pause, bool isFault, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        await WriteAsync(db, at, "queued", isFault ? new("paused", $"{reason}. It goes on by itself.") : null, pause);
        await db.CommitAsync();
    }

    /// <summary>The end: receipt, state and event in one transaction.</summary>
    public async Task FinishAsync(Progress at, Ending ending, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await WriteAsync(db, at, ending.State, ending.Type is { } type ? new(type, ending.Detail!) : null, default) is null) return;
        var receipt = at.Receipt;
        await db.PublishAsync(new ImportCompleted(user, import, Request.Format, ending.State, receipt.Stored, receipt.Unchanged, receipt.Replaced, receipt.Rejected));
        await db.CommitAsync();
    }

    // Null: the lease is lost. Otherwise whether the owner wants it cancelled.
    private async Task<bool?> WriteAsync(UserTransaction db, Progress at, string state, Error? error, TimeSpan pause)
    {
        // A later checkpoint means that it got on, so the pauses before are forgotten.
        var cancelled = await db.ScalarAsync<bool?>(
            """
            update imports
            set state = @state, bytes = @Bytes, records = @Records, records_per_second = @RecordsPerSecond, receipt = @receipt::jsonb,
                checkpoint = case when @state in ('running', 'queued') then coalesce(@checkpoint::jsonb, checkpoint) end,
                attempts = case when checkpoint is distinct from coalesce(@checkpoint::jsonb, checkpoint) then 0 else attempts end
                    + case when @state = 'queued' and @error is not null then 1 else 0 end,
                error = @error::jsonb, not_before = now() + @pause,
                lease = case @state when 'running' then lease end,
                lease_until = case @state when 'running' then now() + make_interval(secs => @leaseSeconds) end,
                finished_at = case when @state not in ('running', 'queued') then now() end
            where import_id = @import and lease = @lease and state = 'running'
            returning cancel_requested
            """,
            new
            {
                import, lease, leaseSeconds, state, pause, at.Bytes, at.Records, at.RecordsPerSecond, receipt = Json(at.Receipt),
                checkpoint = at.Checkpoint is null ? null : Json(at.Checkpoint),
                error = error is null ? null : Json(error),
            });
        if (cancelled is null || at.Unsaved.Count == 0) return cancelled;
        await db.ExecuteAsync(
            """
            insert into import_rejects (import_id, number, line, record, type, detail)
            select @import, number, line, record, type, detail
            from unnest(@numbers, @lines, @records, @types, @details) as r(number, line, record, type, detail)
            """,
            new
            {
                import, numbers = Enumerable.Range(at.FirstUnsaved, at.Unsaved.Count).ToArray(), lines = at.Unsaved.Select(reject => reject.Line).ToArray(),
                records = at.Unsaved.Select(reject => reject.Record?.Replace('\0', '?')).ToArray(), types = at.Unsaved.Select(reject => reject.Type).ToArray(),
                details = at.Unsaved.Select(reject => reject.Detail.Replace('\0', '?')).ToArray(),
            });
        return cancelled;

        // A file may hold the one character that jsonb cannot.
        static string Json<T>(T value) =>
            JsonSerializer.Serialize(value, Wire.Json).Replace("\\u0000", "\\ufffd", StringComparison.Ordinal);
    }
}

/// <summary>How far an import has come.</summary>
public sealed record Progress(
    long Bytes, long Records, float RecordsPerSecond, Receipt Receipt, Checkpoint? Checkpoint, IReadOnlyList<Reject> Unsaved, int FirstUnsaved);
