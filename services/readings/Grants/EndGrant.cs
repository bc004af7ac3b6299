using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>
/// Revokes a grant as the one who gave it, or leaves it as the one who has it. What was granted on by it ends with it. It
/// opens nothing any more once this is answered; a second time changes nothing. A program that acts as itself leaves so what was
/// shared with its own id.
/// </summary>
public static class EndGrant
{
    private sealed record Ended(Guid GrantId, Guid GranteeId, Guid? ClientId);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/grants/{grantId:guid}", HandleAsync).RequireSelf()
        .WithName("EndGrant").WithSummary("Revoke a grant that you gave, or leave one that you have").Produces(204);

    private static async Task<IResult> HandleAsync(Guid grantId, CurrentUser user, Database database, CancellationToken ct) =>
        await EndAsync(grantId, null, user, database, ct) ? TypedResults.NoContent() : Grants.NotFound(grantId);

    internal static async Task<bool> EndAsync(Guid grantId, byte[]? hash, CurrentUser user, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        var before = await Grants.FindAsync(db, grantId);
        if (await db.ScalarAsync<string?>("select end_grant(@grantId, @hash)", new { grantId, hash }) is null) return false;
        if (before is not null) await AnnounceAsync(db, before.Owner, user.Id);
        await db.CommitAsync();
        return true;
    }

    /// <summary>Tells of all grants of a person that have ended in this transaction, with what was granted on by them.</summary>
    internal static async Task AnnounceAsync(UserTransaction db, Guid owner, Guid endedBy)
    {
        foreach (var (grantId, granteeId, clientId) in await db.QueryAsync<Ended>("select grant_id, grantee_id, client_id from grants_ended_now(@owner)", new { owner }))
            await db.PublishAsync(new GrantRevoked(owner, grantId, granteeId, endedBy, clientId));
    }
}
