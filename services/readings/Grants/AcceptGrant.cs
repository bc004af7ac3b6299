using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>
/// Accepts an offer by its code, or by its id where it names the person. It opens at once. The same person again gets the
/// same answer; for everybody else a code that was used is as good as none. A program that acts as itself accepts so what
/// was offered to its own id; for a person it takes that they are signed in, and no key of theirs will do.
/// </summary>
public static class AcceptGrant
{
    public sealed record Request([StringLength(100)] string? Code, Guid? GrantId);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/grants/accept", HandleAsync)
        .WithName("AcceptGrant").WithSummary("Accept what somebody shares with you").Produces<Grant>()
        .WithExample("""{"code": "orgi_Xc0VQ2n7sCq1b3oZ9yQdG5m0mJmZk3R1pV7uT8wE4aI"}""", Grants.Example);

    private static async Task<IResult> HandleAsync(Request request, CurrentUser user, Database database, CancellationToken ct)
    {
        if (!user.IsSignedIn && !(user.IsProgram && request is { Code: null, GrantId: not null })) return Scopes.LoginRequired();
        if (request.Code is null == request.GrantId is null) return Problems.Of(400, "code-required", "Send the code, or the id of a grant that names you.");
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ScalarAsync<Guid?>("select accept_grant(@hash, @GrantId)", new { hash = InvitationCode.Hash(request.Code), request.GrantId }) is not { } grantId)
            return Grants.NotValid();
        var grant = (await Grants.FindAsync(db, grantId))!;
        // The time of a transaction is one: what was accepted earlier was announced then.
        if (await db.ScalarAsync<bool>("select accepted_at = now() from grants where grant_id = @grantId", new { grantId }))
            await db.PublishAsync(new GrantAccepted(grant.Owner, grantId, user.Id, grant.Opens, grant.Access, grant.EndsAt, grant.ClientId));
        await db.CommitAsync();
        return TypedResults.Ok(grant);
    }
}
