using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>Removes files that no import needs: halves of uploads that broke off, and what a crash left behind.</summary>
public sealed class SweepFiles(ImportFiles files, Database database, TimeProvider clock, ILogger<SweepFiles> log)
    : PeriodicService(TimeSpan.FromMinutes(30), clock, log, "Leftover files were not swept", atStart: true)
{
    private static readonly TimeSpan Age = TimeSpan.FromHours(1);

    public override Task RunOnceAsync(CancellationToken ct) => SweepAsync(Age, ct);

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
