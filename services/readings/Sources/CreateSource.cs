using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Declares a source; the server chooses the id. Clients that may have to repeat the request use PUT.</summary>
public static class CreateSource
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/sources", HandleAsync)
        .WithName("CreateSource").WithSummary("Declare a source under a new id")
        .Produces<Source>(201).WithExample(Sources.ExampleRequest, Sources.Example);

    private static Task<IResult> HandleAsync(
        SourceRequest source, HttpContext http, CurrentUser user, Database database, KnownSources known, CancellationToken ct) =>
        Sources.SaveAsync(http, OrderedId.Next(), source, user, database, known, ct);
}
