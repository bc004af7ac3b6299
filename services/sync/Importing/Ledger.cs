namespace OpenReadings.Sync.Importing;

/// <summary>
/// Keeps the books of a running import. Batches come back in any order, so the file is divided into stretches: a stretch is
/// settled when it has been read to its end and all of its batches are acknowledged, and a checkpoint stands behind settled
/// stretches only.
/// </summary>
internal sealed class Ledger(Checkpoint from, int mostRejects)
{
    private readonly Lock gate = new();
    private readonly LinkedList<Stretch> open = new([new Stretch()]);
    private readonly List<Reject> unsaved = [];
    private Checkpoint settled = from;
    private int kept = from.Rejects;

    /// <summary>What is read now belongs here.</summary>
    public Stretch Current
    {
        get { lock (gate) return open.Last!.Value; }
    }

    /// <summary>Rejects that wait to be written down: many of them are a reason to end the stretch.</summary>
    public int Unwritten
    {
        get { lock (gate) return unsaved.Count + open.Sum(stretch => stretch.Rejects.Count); }
    }

    public void Skip(string type)
    {
        lock (gate) Receipt.Count(open.Last!.Value.Receipt.Skipped, type, 1);
    }

    public void Reject(Reject reject)
    {
        lock (gate) Reject(open.Last!.Value, reject, 1);
    }

    public void Truncated()
    {
        lock (gate) open.Last!.Value.Receipt.Truncated = true;
    }

    public void Sent(Stretch stretch)
    {
        lock (gate) stretch.Waiting++;
    }

    public void Acknowledged(Stretch stretch, Batch batch, Answer answer)
    {
        lock (gate)
        {
            stretch.Waiting--;
            var receipt = stretch.Receipt;
            (receipt.Stored, receipt.Unchanged, receipt.Replaced) = (receipt.Stored + answer.Stored, receipt.Unchanged + answer.Unchanged, receipt.Replaced + answer.Replaced);
            receipt.Sources[batch.Source.Id] = batch.Source.Name;
            foreach (var (type, count) in batch.Types) Receipt.Count(receipt.Types, type, count);
            foreach (var refusal in answer.Rejected)
            {
                var (line, record, items) = batch.Find(refusal.Pointer.Split('/', StringSplitOptions.RemoveEmptyEntries));
                Reject(stretch, new(line, record, refusal.Type, refusal.Detail), items);
            }

            Settle();
        }
    }

    /// <summary>The reader stands here; what it reads next belongs to another stretch.</summary>
    public void EndStretch(Position position, long records)
    {
        lock (gate)
        {
            open.Last!.Value.End = (position, records);
            open.AddLast(new Stretch());
            Settle();
        }
    }

    /// <summary>The counts up to now, the newest checkpoint, and the rejects that belong to it and are not written down yet.</summary>
    public (Receipt Now, Checkpoint Checkpoint, IReadOnlyList<Reject> Unsaved) Snapshot()
    {
        lock (gate)
        {
            var now = new Receipt();
            now.Add(settled.Receipt);
            foreach (var stretch in open) now.Add(stretch.Receipt);
            return (now, settled with { Rejects = kept }, [.. unsaved]);
        }
    }

    /// <summary>So many rejects of the snapshot are written down.</summary>
    public void Saved(int rejects)
    {
        lock (gate) unsaved.RemoveRange(0, rejects);
    }

    private void Settle()
    {
        while (open.First is { Value: { End: var (position, records), Waiting: 0 } stretch })
        {
            var receipt = new Receipt();
            receipt.Add(settled.Receipt);
            receipt.Add(stretch.Receipt);
            var room = Math.Min(stretch.Rejects.Count, mostRejects - kept);
            unsaved.AddRange(stretch.Rejects.Take(room));
            kept += room;
            settled = new(position, records, kept, receipt);
            open.RemoveFirst();
        }
    }

    private void Reject(Stretch stretch, Reject reject, int items)
    {
        stretch.Receipt.Rejected += items;
        if (kept + stretch.Rejects.Count < mostRejects) stretch.Rejects.Add(reject);
    }

    /// <summary>A part of the file between two places where a reader could begin.</summary>
    internal sealed class Stretch
    {
        public Receipt Receipt { get; } = new();
        public List<Reject> Rejects { get; } = [];
        public int Waiting { get; set; }
        public (Position Position, long Records)? End { get; set; }
    }
}
