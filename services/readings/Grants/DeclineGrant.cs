using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Declines an offer, by its code or as the person or program it names. Nobody can accept it any more; a second time changes nothing.</summary>
public static class DeclineGrant
{
    public sealed record Request([StringLength(100)] string? Code);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/grants/{grantId:guid}/decline", HandleAsync).RequireSelf()
        .WithName("DeclineGrant").WithSummary("Decline what somebody offers you").Produces(204)
        .WithExample("""{"code": "orgi_Xc0VQ2n7sCq1b3oZ9yQdG5m0mJmZk3R1pV7uT8wE4aI"}""");

    private static async Task<IResult> HandleAsync(Guid grantId, Request? request, CurrentUser user, Database database, CancellationToken ct) =>
        user.IsProgram && request?.Code is not null ? Scopes.LoginRequired()
        : await EndGrant.EndAsync(grantId, InvitationCode.Hash(request?.Code), user, database, ct) ? TypedResults.NoContent() : Grants.NotFound(grantId);
}
