using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Declares a source under an id that the client chose, or replaces what is declared: the list of metrics is the whole
/// list. The same request again changes nothing.
/// </summary>
public static class PutSource
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPut("/sources/{sourceId:guid}", HandleAsync)
        .WithName("PutSource").WithSummary("Declare a source with its metrics, or replace the declaration")
        .Produces<Source>().Produces<Source>(201).WithExample(Sources.ExampleRequest, Sources.Example);

    private static Task<IResult> HandleAsync(
        Guid sourceId, SourceRequest source, HttpContext http, CurrentUser user, Database database, KnownSources known, CancellationToken ct) =>
        Sources.SaveAsync(http, sourceId, source, user, database, known, ct);
}
