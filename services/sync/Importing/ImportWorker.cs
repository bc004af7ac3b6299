using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>Wakes the workers of this replica when an import was queued; others find it within two seconds.</summary>
public sealed class ImportSignal : IDisposable
{
    private readonly SemaphoreSlim queued = new(0);

    public void Wake() => queued.Release();

    public Task WaitAsync(TimeSpan atMost, CancellationToken ct) => queued.WaitAsync(atMost, ct);

    public void Dispose() => queued.Dispose();
}

/// <summary>
/// Runs the imports that wait, a few at a time. An import whose worker died is taken up where its last checkpoint stands;
/// one that cannot go on is put back and tried again later.
/// </summary>
public sealed class ImportWorker(
    Database database, ReadingsClient readings, ImportFiles files, ImportOptions options, ImportSignal signal, ILogger<ImportWorker> log) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(2), Beat = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromMinutes(5);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, options.Parallel).Select(_ => Task.Run(() => WorkAsync(stoppingToken), CancellationToken.None)));

    private async Task WorkAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await ImportJob.ClaimAsync(database, options, stopping) is { } job) await RunAsync(job, stopping);
                else await signal.WaitAsync(Poll, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.LogWarning("Imports wait: {Reason}", e.Message);
                await Task.Delay(Poll, CancellationToken.None);
            }
        }
    }

    private async Task RunAsync(ImportJob job, CancellationToken stopping)
    {
        using var activity = Telemetry.StartImport(job.Import);
        log.LogInformation("Import {Import} ({Format}, {Bytes} bytes) begins at byte {Offset}",
            job.Import, job.Request.Format, job.TotalBytes, job.Checkpoint?.Position.Offset ?? 0);
        FileStream file;
        try
        {
            file = files.Open(job.User, job.Import);
        }
        catch (IOException)
        {
            await job.FinishAsync(new(0, 0, 0, job.Checkpoint?.Receipt ?? new(), null, [], 1), new("failed", "file-lost", "The file is no longer there. Send it again."), stopping);
            return;
        }

        await using (file)
        {
            using var run = new ImportRun(job, readings, file, options);
            var ending = job.CancelRequested ? new Ending("cancelled") : await PumpAsync(job, run, stopping);
            if (ending is null) return;
            await job.FinishAsync(run.Progress(), ending, CancellationToken.None);
            log.LogInformation("Import {Import} {State} {Reason}", job.Import, ending.State, ending.Type);
        }

        files.Delete(job.User, job.Import);
    }

    // Null: it is not at its end, or no longer ours.
    private async Task<Ending?> PumpAsync(ImportJob job, ImportRun run, CancellationToken stopping)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var pump = run.RunAsync(stop.Token);
        var (goes, cancelled) = (true, false);
        while (!pump.IsCompleted)
        {
            await Task.WhenAny(pump, Task.Delay(Beat, CancellationToken.None));
            if (pump.IsCompleted || !goes) continue;
            try
            {
                var progress = run.Progress();
                (goes, cancelled) = await job.SaveAsync(progress, CancellationToken.None);
                if (goes) run.Saved(progress);
                else await stop.CancelAsync();
            }
            catch (Exception e)
            {
                // Nothing is lost: what could not be written down now is written with the next beat.
                log.LogWarning("The progress of import {Import} was not written: {Reason}", job.Import, e.Message);
            }
        }

        try
        {
            await pump;
            return new("completed");
        }
        catch (FileRefusedException e)
        {
            return new("failed", e.Type, e.Message);
        }
        catch (OperationCanceledException) when (cancelled)
        {
            return new("cancelled");
        }
        catch (OperationCanceledException) when (!goes)
        {
            log.LogWarning("Import {Import} was taken over by another worker or is gone", job.Import);
            return null;
        }
        catch (Exception e)
        {
            return await PauseAsync(job, run, e, stopping.IsCancellationRequested);
        }
    }

    private async Task<Ending?> PauseAsync(ImportJob job, ImportRun run, Exception reason, bool stopping)
    {
        if (stopping)
        {
            await job.PauseAsync(run.Progress(), "", TimeSpan.Zero, isFault: false, CancellationToken.None);
            return null;
        }

        if (job.IsOld) return new("failed", "given-up", $"It could not be finished in {options.GiveUpAfter.TotalDays:F0} days: {reason.Message}.");
        if (reason is PausedException) log.LogWarning("Import {Import} pauses: {Reason}", job.Import, reason.Message);
        else log.LogError(reason, "Import {Import} pauses", job.Import);
        var pause = (reason as PausedException)?.After ?? TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, Math.Pow(2, Math.Min(job.Attempts, 10))) * (0.5 + Random.Shared.NextDouble()));
        var told = reason is PausedException ? reason.Message : "Something went wrong here";
        await job.PauseAsync(run.Progress(), told, pause, isFault: true, CancellationToken.None);
        return null;
    }

    private static class Telemetry
    {
        private static readonly System.Diagnostics.ActivitySource Source = new("OpenReadings.Events");

        public static System.Diagnostics.Activity? StartImport(Guid import) =>
            Source.StartActivity("run import")?.SetTag("import.id", import.ToString());
    }
}
