using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Sync.Importing;

/// <summary>An account was deleted: its imports end, and files, receipts and rejects go with it.</summary>
public sealed class ForgetPerson(Database database, ImportFiles files, ServiceTokens tokens, TimeProvider clock) : IHandle<AccountDeleted>
{
    public async Task HandleAsync(AccountDeleted happened, Received received, CancellationToken ct)
    {
        await using (var db = await database.BeginAsync(happened.UserId, ct))
        {
            if (await db.IsFirstTimeAsync(received.Id, nameof(ForgetPerson)))
            {
                // Waits for an upload that ends just now, and refuses those that would come: see the trigger on imports.
                await db.ExecuteAsync("select lock_person(@UserId, alone => true)", new { happened.UserId });
                await db.ExecuteAsync("insert into departed_users (departed_at) values (now()) on conflict do nothing");
                await db.ExecuteAsync("delete from imports");    // row-level security: this person's
                await db.CommitAsync();
            }
        }

        // A running worker sees at its next beat that the row is gone.
        tokens.Forget(happened.UserId);
        files.DeleteAllOf(happened.UserId);
        await using var last = await database.BeginAsync(happened.UserId, ct);
        await last.PublishAsync(new AccountErased(happened.UserId, "sync", clock.GetUtcNow()));
        await last.CommitAsync();
    }
}
