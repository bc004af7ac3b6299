using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Identity.Audit;

/// <summary>Somebody takes everything away that is kept of a person: the audit tells by which login. From where that came stands where it began.</summary>
public sealed class NoteArchive(Database database) : IHandle<ArchiveTaken>
{
    public async Task HandleAsync(ArchiveTaken happened, Received received, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(happened.UserId, ct);
        if (!await db.IsFirstTimeAsync(received.Id, nameof(NoteArchive))) return;
        // Nobody's any more where the account is gone.
        await db.ExecuteAsync("insert into audit (entry_id, at, action, login_id) select @Id, @TakenAt, @ArchiveTaken, @LoginId from accounts",
            new { received.Id, happened.TakenAt, Entry.ArchiveTaken, happened.LoginId });
        await db.CommitAsync();
    }
}
