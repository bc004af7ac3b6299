using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Queues;

/// <summary>Shows where the queue of an application is, and what waits in it. Never a password.</summary>
public static class ShowDelivery
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/applications/{clientId:guid}/queue", HandleAsync)
        .WithName("ShowApplicationQueue").WithSummary("The queue of an application that you made: where it is, and what waits in it.")
        .WithExample(response: Delivery.Example.Replace("\"oq_7Jm0nU3f…\"", "null", StringComparison.Ordinal));

    private static async Task<Results<Ok<Delivery>, ProblemHttpResult>> HandleAsync(
        Guid clientId, CurrentUser user, Database database, QueuePlace place, BrokerManagement broker, CancellationToken ct)
    {
        if (place.Management is null) return Delivery.NotOffered();
        Delivery.Row? row;
        await using (var db = await database.BeginAsync(user, ct)) row = await Delivery.FindAsync(db, clientId);
        if (row is null) return Delivery.NotFound();
        return TypedResults.Ok(Delivery.Of(row, place, depth: await broker.FindAsync(row.Name, ct)));
    }
}
