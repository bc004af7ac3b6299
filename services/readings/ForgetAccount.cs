using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>
/// Erases a person: sources, readings, rollups, events. Remembers only the id, so that nothing comes back. What they wrote for somebody else is
/// that somebody's and stays: its <c>written_by</c> is then an id that leads to nobody.
/// </summary>
public sealed class ForgetAccount(Database database, TimeProvider clock) : IHandle<AccountDeleted>
{
    public async Task HandleAsync(AccountDeleted happened, Received received, CancellationToken ct)
    {
        await using (var db = await database.BeginAsync(happened.UserId, ct))
        {
            // Waits for sources that are just being made, and refuses those that would come: see the trigger on sources.
            await db.ExecuteAsync("select lock_person(@UserId, alone => true)", new { happened.UserId });
            await db.ExecuteAsync("insert into departed_users (user_id) values (@UserId) on conflict do nothing", new { happened.UserId });
            await db.CommitAsync();
        }

        // At once, so that nobody looks on while the rest is being erased.
        await using (var db = await database.BeginAsync(happened.UserId, ct))
        {
            await db.ExecuteAsync("select forget_grants()");
            await db.CommitAsync();
        }

        // A source at a time, and of each a month of a series at a time: neither very many sources nor very long series may
        // hold the server's locks for long. Interrupted, it comes again and goes on; the inbox hears of it only when nothing
        // is left.
        while (true)
        {
            await using var db = await database.BeginAsync(happened.UserId, ct);
            if (await db.ScalarAsync<Guid?>("select source_id from sources order by source_id limit 1 for update") is { } sourceId)
            {
                if (!await EraseMonthAsync(db, sourceId) && !await EraseEventsAsync(db, sourceId)) await DeleteSource.EraseAsync(db, sourceId);
                await db.CommitAsync();
                continue;
            }

            await db.ExecuteAsync("delete from declared_metrics");
            await db.IsFirstTimeAsync(received.Id, nameof(ForgetAccount));
            await db.PublishAsync(new AccountErased(happened.UserId, "readings", clock.GetUtcNow()));
            await db.CommitAsync();
            return;
        }
    }

    // False: the source has no readings any more.
    private static async Task<bool> EraseMonthAsync(UserTransaction db, Guid sourceId)
    {
        foreach (var seriesId in await db.QueryAsync<int>("select series_id from series where source_id = @sourceId order by series_id", new { sourceId }))
        {
            if (await db.ScalarAsync<DateTime?>("select at from readings where series_id = @seriesId order by at limit 1", new { seriesId }) is not { } first)
                continue;
            var until = new DateTime(first.Year, first.Month, 1, 0, 0, 0, DateTimeKind.Utc).AddMonths(1);
            await db.ExecuteAsync("select lock_series(array[@seriesId])", new { seriesId });
            await db.ExecuteAsync("delete from readings where series_id = @seriesId and at < @until", new { seriesId, until });
            return true;
        }

        return false;
    }

    private static async Task<bool> EraseEventsAsync(UserTransaction db, Guid sourceId) => await db.ExecuteAsync(
        "delete from events where event_id = any (array(select event_id from events where source_id = @sourceId limit 10000))", new { sourceId }) > 0;
}
