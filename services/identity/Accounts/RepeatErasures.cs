using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// Tells again of accounts that were deleted and that some service has not confirmed: on a new broker an event is lost that is sent before
/// somebody listens. Forgetting twice does no harm, so neither do several replicas.
/// </summary>
public sealed class RepeatErasures(Database database, TimeProvider clock, ILogger<RepeatErasures> log)
    : PeriodicService(TimeSpan.FromMinutes(10), clock, log, "Erasures that are open were not told again")
{
    private sealed record Open(Guid AccountId, DateTimeOffset RequestedAt);

    public override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var open = await db.QueryAsync<Open>("select account_id, requested_at from open_erasures(@Services)", new { ShowErasure.Services });
        foreach (var (account, requestedAt) in open) await db.PublishAsync(new AccountDeleted(account, requestedAt));
        await db.CommitAsync();
        if (open.Count > 0) Log.LogInformation("{Count} erasures are open, and were told again", open.Count);
    }
}
