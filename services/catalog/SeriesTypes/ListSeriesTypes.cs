using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Catalog.SeriesTypes;

/// <summary>
/// Lists what can be measured, all in one answer; filtered by category and by a text in code, name or LOINC.
/// </summary>
public static class ListSeriesTypes
{
    public sealed record Response(IReadOnlyList<SeriesType> SeriesTypes, string LoincNotice);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/series-types", HandleAsync)
        .WithName("ListSeriesTypes")
        .WithSummary("Lists the series types: what a metric can measure, in which unit, and how a day is made of it.")
        .WithDescription(OpenReadings.Units.SeriesTypes.LoincNotice)
        .Produces<Response>().Produces(StatusCodes.Status304NotModified)
        .WithExample(response: $$"""{"series_types": [{{SeriesType.Example}}], "loinc_notice": "…"}""");

    private static async Task<FileContentHttpResult> HandleAsync(
        [StringLength(64)] string? category, [StringLength(100)] string? q, HttpResponse response, Database database,
        CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var types = await db.QueryAsync<SeriesType>(
            $"""
            select {SeriesType.Columns}
            from series_types
            where (@category::text is null or category = @category)
              and (@q::text is null or strpos(lower(concat_ws(chr(10), code, name, loinc)), lower(@q)) > 0)
            order by number
            """, new { category, q = string.IsNullOrWhiteSpace(q) ? null : q.Trim() });
        return SeriesType.Answer(new Response(types, OpenReadings.Units.SeriesTypes.LoincNotice), response);
    }
}
