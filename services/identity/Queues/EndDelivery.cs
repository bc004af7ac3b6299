using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Queues;

/// <summary>Gives the queue of an application up: nothing more is delivered, and a second later its user is gone with what waited in it.</summary>
public static class EndDelivery
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me/applications/{clientId:guid}/queue", HandleAsync)
        .WithName("EndApplicationQueue").WithSummary("Gives up the queue of an application: its user is thrown out within a second, and what waits in it is gone.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid clientId, CurrentUser user, Database database, QueuePlace place, HttpContext http, CancellationToken ct)
    {
        if (place.Management is null) return Delivery.NotOffered();
        await using var db = await database.BeginAsync(user, ct);
        if (await EndAsync(db, clientId: clientId) == 0) return Delivery.NotFound();
        await db.NoteAsync(http, Entry.ApplicationQueueEnded, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    /// <summary>Gives up the queue of an application, or all of the person's that were made, or got another password, since a moment; how many.</summary>
    internal static Task<int> EndAsync(UserTransaction db, Guid? clientId = null, DateTimeOffset? since = null) => db.ExecuteAsync(
        """
        update application_queues
        set ended_at = now(), changed_at = clock_timestamp(), due_at = now(), attempts = 0
        where ended_at is null and (client_id = @clientId or changed_at >= @since)
        """, new { clientId, since });
}
