using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Identity.Accounts;

/// <summary>A service has forgotten somebody: the receipt of their erasure says so.</summary>
public sealed class NoteErased(Database database) : IHandle<AccountErased>
{
    public async Task HandleAsync(AccountErased happened, Received received, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        if (!await db.IsFirstTimeAsync(received.Id, nameof(NoteErased))) return;
        await db.ExecuteAsync("call note_erased(@UserId, @Service, @ErasedAt)", happened);
        await db.CommitAsync();
    }
}
