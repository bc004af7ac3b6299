using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Catalog.SeriesTypes;

/// <summary>Shows one series type.</summary>
public static class ShowSeriesType
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series-types/{code}", HandleAsync)
        .WithName("ShowSeriesType")
        .WithSummary("Shows one series type.")
        .WithDescription(OpenReadings.Units.SeriesTypes.LoincNotice)
        .Produces<SeriesType>().Produces(StatusCodes.Status304NotModified)
        .WithExample(response: SeriesType.Example);

    private static async Task<Results<FileContentHttpResult, ProblemHttpResult>> HandleAsync(
        string code, HttpResponse response, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var type = await db.FindAsync<SeriesType>(
            $"select {SeriesType.Columns} from series_types where code = @code", new { code });
        return type is null
            ? Problems.Of(404, "series-type-not-found", "There is no series type of that code.")
            : SeriesType.Answer(type, response);
    }
}
