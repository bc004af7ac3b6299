using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>Ends what was shared from an account since somebody else may have held it, and what was granted on by that.</summary>
public sealed class EndGrantsSince(Database database, TimeProvider clock) : IHandle<AccountRecovered>
{
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(2);

    public async Task HandleAsync(AccountRecovered happened, Received received, CancellationToken ct)
    {
        // The tokens of the logins that ended are believed for a second more: what is shared with them meanwhile must be there.
        if (happened.RecoveredAt + Believed - clock.GetUtcNow() is { Ticks: > 0 } left) await Task.Delay(left < Believed ? left : Believed, clock, ct);
        await using var db = await database.BeginAsync(happened.UserId, ct);
        if (!await db.IsFirstTimeAsync(received.Id, nameof(EndGrantsSince))) return;
        var owners = await db.QueryAsync<Guid>(
            """
            with ended as (
                select user_id, end_grant(grant_id, null)
                from grants
                where granted_by = @UserId and created_at >= @Since and state in ('offered', 'accepted')
                order by user_id, grant_id)
            select distinct user_id from ended
            """, happened);
        foreach (var owner in owners) await EndGrant.AnnounceAsync(db, owner, happened.UserId);
        await db.CommitAsync();
    }
}
