using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenReadings.Chassis;

/// <summary>
/// Work that comes again and again for as long as the service runs. A round that fails says so in the log and takes nothing else down: the
/// next one tries again.
/// </summary>
/// <param name="every">From one round to the next. Rounds never overlap: what falls due during one is skipped.</param>
/// <param name="clock">What measures that.</param>
/// <param name="log">Where a round says what it did, and that it failed.</param>
/// <param name="failure">What did not happen where a round fails, as the log says it: "The inbox was not pruned".</param>
/// <param name="atStart">Whether the first round comes at once, or when its time is over.</param>
/// <param name="severity">Of a round that fails.</param>
public abstract class PeriodicService(TimeSpan every, TimeProvider clock, ILogger log, string failure, bool atStart = false, LogLevel severity = LogLevel.Warning) : BackgroundService
{
    protected ILogger Log { get; } = log;
    protected TimeProvider Clock { get; } = clock;

    /// <summary>One round. Tests call it instead of waiting for it.</summary>
    public abstract Task RunOnceAsync(CancellationToken ct);

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(every, Clock);
        var isDue = atStart;
        do
        {
            try { if (isDue) await RunOnceAsync(stoppingToken); }
            catch (Exception) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                Log.Log(severity, "{Failure}, and it is tried again in {Every}: {Reason}", failure, every, e.Message);
            }
            isDue = true;
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
