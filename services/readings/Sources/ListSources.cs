using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>The person's sources, in the order of their ids, a page at a time.</summary>
public static class ListSources
{
    public sealed record Response(IReadOnlyList<Source> Sources, Guid? Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources", HandleAsync)
        .WithName("ListSources").WithSummary("List your sources")
        .Produces<Response>().WithExample(null, $$"""{"sources": [{{Sources.Example}}], "next": null}""");

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, CancellationToken ct, [Range(1, 1000)] int limit = 100, Guid? after = null)
    {
        var rows = await database.ReadAsync<Sources.Row>(user, Sources.Select, new { sourceId = (Guid?)null, after, limit = limit + 1 }, ct);
        if (user.Owner is not null) await AccessLog.NoteAsync(database, user, null, "read", ct);
        Guid? next = rows.Count > limit ? rows[limit - 1].SourceId : null;
        if (next is { } id) Paging.Link(http, id.ToString());
        return TypedResults.Ok(new Response([.. rows.Take(limit).Select(row => row.ToSource())], next));
    }
}
