using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.OAuth;

/// <summary>Ends an application: its logins of everybody, its tokens, and what it has stored under its own id.</summary>
public static class EndApplication
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me/applications/{clientId:guid}", HandleAsync)
        .WithName("EndApplication").WithSummary("Ends an application that you made, for everybody, within a second. What it stored under its own id is forgotten.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid clientId, CurrentUser user, Database database, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ExecuteAsync("delete from applications where client_id = @clientId", new { clientId }) == 0) return MakeApplication.NotFound();
        await db.PublishAsync(new AccountDeleted(clientId, clock.GetUtcNow()));
        await db.NoteAsync(http, Entry.ApplicationEnded, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
