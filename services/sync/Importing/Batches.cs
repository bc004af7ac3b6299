namespace OpenReadings.Sync.Importing;

/// <summary>Gathers what a reader finds into requests for <c>readings</c>: by source, in the order of the file.</summary>
public sealed class Batches(Action<string> skip, Action<long, string?, string, string> reject) : IRecords, IDisposable
{
    /// <summary>How many batches of one source may be on their way at once.</summary>
    public const int Lanes = 2;

    private const int MostWaiting = 100_000;
    private readonly List<SourceColumns> open = [];
    private readonly Queue<Batch> full = new();
    private int waiting;

    public void Declared(Source source) => full.Enqueue(new DeclarationBatch(source));

    public void Reading(Source source, Metric metric, ReadOnlySpan<byte> at, double value, long line)
    {
        var columns = Of(source);
        if (columns.Metrics.Length <= metric.Index) Array.Resize(ref columns.Metrics, metric.Index + 8);
        ref var slot = ref columns.Metrics[metric.Index];
        var batch = columns.Columns[metric.Lane] ??= new ColumnBatch(source, metric.Lane);
        if (slot.Batch != batch) slot = (batch, batch.ColumnOf(metric));
        batch.Add(slot.Column, at, value, line);
        if (batch.Count == Batch.MostItems) columns.Columns[metric.Lane] = Close(batch) as ColumnBatch;
        Count();
    }

    public void Row(Source source, Metric[] metrics, ReadOnlySpan<byte> at, ReadOnlySpan<double> values, long line)
    {
        var columns = Of(source);
        if (columns.Rows is { } other && !other.Holds(metrics)) columns.Rows = Close(other) as RowBatch;
        var batch = columns.Rows ??= new RowBatch(source, metrics[0].Lane, metrics);
        batch.Add(at, values, line);
        if (batch.Count == Batch.MostItems) columns.Rows = Close(batch) as RowBatch;
        Count();
    }

    public void Happened(Source source, Happening happening, long line)
    {
        var columns = Of(source);
        var batch = columns.Events ??= new EventBatch(source, 0);
        batch.Add(happening, line);
        if (batch.IsFull) columns.Events = Close(batch) as EventBatch;
        Count();
    }

    public void Skip(string type) => skip(type);

    public void Reject(long line, string? record, string type, string detail) => reject(line, record, type, detail);

    /// <summary>A batch that is to be sent now; null when none is full.</summary>
    public Batch? TakeFull() => full.TryDequeue(out var batch) ? batch : null;

    /// <summary>Closes all that are open.</summary>
    public void Flush()
    {
        foreach (var columns in open)
        {
            for (var lane = 0; lane < Lanes; lane++) columns.Columns[lane] = Close(columns.Columns[lane]) as ColumnBatch;
            columns.Rows = Close(columns.Rows) as RowBatch;
            columns.Events = Close(columns.Events) as EventBatch;
        }

        waiting = 0;
    }

    public void Dispose()
    {
        Flush();
        while (TakeFull() is { } batch) batch.Dispose();
    }

    // Always null: what was open is so no longer.
    private Batch? Close(Batch? batch)
    {
        if (batch is not null) full.Enqueue(batch);
        return null;
    }

    // Many sources with a little each must not add up to more than the memory is meant to hold.
    private void Count()
    {
        if (++waiting >= MostWaiting) Flush();
    }

    private SourceColumns Of(Source source)
    {
        if (source.Columns is { } columns) return columns;
        open.Add(columns = source.Columns = new());
        return columns;
    }
}

/// <summary>The open batches of one source.</summary>
internal sealed class SourceColumns
{
    public readonly ColumnBatch?[] Columns = new ColumnBatch?[Batches.Lanes];
    public (ColumnBatch Batch, Column Column)[] Metrics = [];
    public RowBatch? Rows;
    public EventBatch? Events;
}
