using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.OAuth;

/// <summary>Shuts an application out: a second later none of its tokens opens anything of this person.</summary>
public static class RemoveConsent
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me/consents/{clientId:guid}", HandleAsync)
        .WithName("RemoveConsent").WithSummary("Shuts an application out that you let in, within a second and everywhere.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid clientId, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        var removed = await db.ExecuteAsync("delete from consents where client_id = @clientId", new { clientId });
        removed += await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'application-removed' where client_id = @clientId::text and ended_at is null", new { clientId });
        // Codes that were given and not used yet.
        await db.ExecuteAsync("delete from authorization_codes where client_id = @clientId", new { clientId });
        await db.ExecuteAsync("delete from pairing_codes where client_id = @clientId", new { clientId });
        if (removed == 0) return Problems.Of(404, "consent-not-found", "You have not let such an application in.");
        await db.NoteAsync(http, Entry.ApplicationRemoved, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
