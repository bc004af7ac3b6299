using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Who can see what: all that the person granted, was granted, and granted on, ended ones included, a page at a time. A program that acts as
/// itself finds here what is shared with it, and by whom (<c>owner</c>).
/// </summary>
public static class ListGrants
{
    public sealed record Response(IReadOnlyList<Grant> Grants, Guid? Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/grants", HandleAsync).RequireSelf()
        .WithName("ListGrants").WithSummary("List what you share and what is shared with you")
        .Produces<Response>().WithExample(null, $$"""{"grants": [{{Grants.Example}}], "next": null}""");

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, CancellationToken ct, [Range(1, 1000)] int limit = 100, Guid? after = null)
    {
        var rows = await database.ReadAsync<Grant>(user, Grants.Select, new { grantId = (Guid?)null, after, limit = limit + 1 }, ct);
        Guid? next = rows.Count > limit ? rows[limit - 1].GrantId : null;
        if (next is { } id) Paging.Link(http, id.ToString());
        return TypedResults.Ok(new Response([.. rows.Take(limit)], next));
    }
}
