using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>Erases a person: sources, readings, rollups, events. Remembers only the id, so that nothing comes back.</summary>
public sealed class ForgetAccount(Database database) : IHandle<AccountDeleted>
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

        // A source at a time: a person with very many of them must not take all the locks that the server has. Interrupted,
        // it comes again and goes on; the inbox hears of it only when nothing is left.
        while (true)
        {
            await using var db = await database.BeginAsync(happened.UserId, ct);
            if (await db.ScalarAsync<Guid?>("select source_id from sources order by source_id limit 1 for update") is { } sourceId)
            {
                await DeleteSource.EraseAsync(db, sourceId);
                await db.CommitAsync();
                continue;
            }

            await db.IsFirstTimeAsync(received.Id, nameof(ForgetAccount));
            await db.CommitAsync();
            return;
        }
    }
}
