using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Deletes one reading, or some of its values. A second time there is nothing left to find: 404.</summary>
public static class DeleteReading
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/sources/{sourceId:guid}/readings/{at}", HandleAsync)
        .WithName("DeleteReading").WithSummary("Delete one reading, or with ?metric= some of its values").Produces(204);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, string at, CurrentUser user, Database database, KnownSources sources, CancellationToken ct, [FromQuery] string[]? metric = null)
    {
        var time = Between.Parse(at, "at")!.Value;
        var deleted = await DeleteReadings.DeleteAsync(database, user, sources, sourceId, metric, time, time + 1, ct);
        return deleted is null ? Sources.NotFound(sourceId) : deleted.Deleted == 0 ? NotFound(at) : TypedResults.NoContent();
    }

    internal static ProblemHttpResult NotFound(string at) => Problems.Of(404, "reading-not-found", $"There is no reading at {at}.");
}
