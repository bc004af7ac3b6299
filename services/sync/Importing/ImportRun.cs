using System.Diagnostics;
using System.Threading.Channels;
using OpenReadings.Sync.Files;
using OpenReadings.Units;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Carries one file into <c>readings</c>: a reader fills batches, two lanes send them, the books say what is settled. The
/// reader waits when the lanes are full, so memory is bounded whatever the file and however slow the other side.
/// </summary>
internal sealed class ImportRun : IDisposable
{
    private const int Step = 2_000, MostUnwritten = 5_000;
    private static readonly TimeSpan StretchTime = TimeSpan.FromSeconds(3);
    private readonly ImportJob job;
    private readonly ReadingsClient readings;
    private readonly FileStream file;
    private readonly FileLimits limits;
    private readonly Ledger ledger;
    private readonly Batches batches;
    private readonly Dictionary<Guid, Dictionary<string, Converter?>> declared = [];
    private readonly Channel<(Batch Batch, Ledger.Stretch Stretch)>[] lanes =
        [.. Enumerable.Range(0, Batches.Lanes).Select(_ => Channel.CreateBounded<(Batch, Ledger.Stretch)>(2))];
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly long recordsBefore, stretchLength;
    private long records, bytes, lastRecords;
    private double rate;
    private TimeSpan lastLook;

    public ImportRun(ImportJob job, ReadingsClient readings, FileStream file, ImportOptions options)
    {
        (this.job, this.readings, this.file, limits, stretchLength) = (job, readings, file, options.Unpacked, options.CheckpointRecords);
        recordsBefore = job.Checkpoint?.Records ?? 0;
        (records, lastRecords) = (recordsBefore, recordsBefore);
        ledger = new(job.Checkpoint ?? new(new(0, 1), 0, 0, new()), options.MaxRejects);
        batches = new(ledger.Skip, (line, record, type, detail) => ledger.Reject(new(line, record, type, detail)));
    }

    /// <summary>Runs to the end of the file. Throws <see cref="FileRefusedException"/> and <see cref="PausedException"/>.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        using var failing = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var sending = lanes.Select(lane => Task.Run(() => SendAsync(lane.Reader, failing), CancellationToken.None)).ToList();
        var reading = Task.Run(async () =>
        {
            try
            {
                await ReadAsync(failing.Token);
            }
            finally
            {
                foreach (var lane in lanes) lane.Writer.Complete();
            }
        }, CancellationToken.None);
        sending.Add(reading);
        var all = Task.WhenAll(sending);
        await all.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        // When one fails the others are only told to stop; the reason is what counts.
        var faults = all.Exception?.InnerExceptions;
        if (faults?.FirstOrDefault(fault => fault is not OperationCanceledException) is { } reason) throw reason;
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>How far it has come.</summary>
    public Progress Progress()
    {
        var (now, checkpoint, unsaved) = ledger.Snapshot();
        var read = Interlocked.Read(ref records);
        var passed = clock.Elapsed - lastLook;
        if (passed > TimeSpan.FromMilliseconds(200))
        {
            var fresh = (read - lastRecords) / passed.TotalSeconds;
            rate = rate == 0 ? fresh : 0.7 * rate + 0.3 * fresh;
            (lastRecords, lastLook) = (read, clock.Elapsed);
        }

        return new(Interlocked.Read(ref bytes), read, (float)rate, now, checkpoint, unsaved, checkpoint.Rejects - unsaved.Count + 1);
    }

    /// <summary>The rejects of that progress are written down.</summary>
    public void Saved(Progress progress) => ledger.Saved(progress.Unsaved.Count);

    public void Dispose() => batches.Dispose();

    private async Task ReadAsync(CancellationToken ct)
    {
        using var reader = job.Request.Open(new FileContent(file, limits), job.User, batches, job.Checkpoint?.Position);
        var (stretchBegan, stretchRecords, more) = (clock.Elapsed, 0L, true);
        while (more)
        {
            ct.ThrowIfCancellationRequested();
            more = reader.Read(Step);
            Interlocked.Exchange(ref records, recordsBefore + reader.Records);
            Interlocked.Exchange(ref bytes, file.Position);
            var ends = !more || reader.Records - stretchRecords >= stretchLength || clock.Elapsed - stretchBegan >= StretchTime || ledger.Unwritten >= MostUnwritten;
            if (ends) batches.Flush();
            while (batches.TakeFull() is { } batch)
            {
                await DeclareAsync(batch, ct);
                if (batch is DeclarationBatch) continue;
                ledger.Sent(ledger.Current);
                await lanes[batch.Lane].Writer.WriteAsync((batch, ledger.Current), ct);
            }

            if (!more && reader.CutShort) ledger.Truncated();
            if (!ends) continue;
            ledger.EndStretch(new(reader.Position.Offset, reader.Position.Line, reader.State), recordsBefore + reader.Records);
            (stretchBegan, stretchRecords) = (clock.Elapsed, reader.Records);
        }
    }

    // Metrics are declared as they occur, by the reader alone, so that no two lanes declare one at once.
    private async Task DeclareAsync(Batch batch, CancellationToken ct)
    {
        if (declared.TryGetValue(batch.Source.Id, out var known) && batch.Metrics.All(metric => known.ContainsKey(metric.Name)))
        {
            batch.Converters = known;
            return;
        }

        var units = await readings.DeclareAsync(job.User, batch.Source, [.. batch.Metrics], ct);
        var converters = new Dictionary<string, Converter?>(known ?? []);
        foreach (var metric in batch.Metrics)
        {
            var (ours, theirs) = (Unit.Parse(metric.Unit), Unit.Parse(units[metric.Name]));
            var substance = metric.Type is { } type ? SeriesTypes.Find(type)?.Substance : null;
            if (!ours.ConvertsTo(theirs, substance))
                throw new FileRefusedException("unit-mismatch", $"The source '{batch.Source.Name}' keeps {metric.Name} in {theirs.Code}, and {ours.Code} does not convert to it.");
            converters[metric.Name] = ours.Code == theirs.Code ? null : ours.To(theirs, substance);
        }

        declared[batch.Source.Id] = converters;    // a new table each time: the lanes may be looking at the old one
        batch.Converters = converters;
    }

    private async Task SendAsync(ChannelReader<(Batch Batch, Ledger.Stretch Stretch)> lane, CancellationTokenSource failing)
    {
        try
        {
            await foreach (var (batch, stretch) in lane.ReadAllAsync(failing.Token))
            {
                using (batch)
                {
                    using var body = new PooledBuffer(64 * 1024);
                    batch.Write(body, metric => batch.Converters?.GetValueOrDefault(metric.Name));
                    ledger.Acknowledged(stretch, batch, await readings.PostAsync(job.User, batch, body.Written, failing.Token));
                }
            }
        }
        catch
        {
            await failing.CancelAsync();
            throw;
        }
    }
}
