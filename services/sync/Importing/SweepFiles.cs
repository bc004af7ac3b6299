using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>Removes files that no import needs: halves of uploads that broke off, and what a crash left behind.</summary>
public sealed class SweepFiles(ImportFiles files, Database database, ILogger<SweepFiles> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(30), Age = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        do
        {
            try
            {
                await SweepAsync(Age, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                log.LogWarning("Leftover files were not swept: {Reason}", e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>One round.</summary>
    public async Task SweepAsync(TimeSpan age, CancellationToken ct)
    {
        foreach (var (path, user, import) in files.OlderThan(age))
        {
            if (user == default || !await IsNeededAsync(user, import, ct)) File.Delete(path);
        }
    }

    private async Task<bool> IsNeededAsync(Guid user, Guid import, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        return await db.ScalarAsync<bool>(
            "select exists (select from imports where import_id = @import and state in ('queued', 'running'))", new { import });
    }
}
