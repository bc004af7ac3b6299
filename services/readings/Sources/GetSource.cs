using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>One source with its metrics. Its ETag is what PATCH wants back.</summary>
public static class GetSource
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources/{sourceId:guid}", HandleAsync)
        .WithName("GetSource").WithSummary("Read a source and its metrics").Produces<Source>().WithExample(null, Sources.Example);

    private static async Task<IResult> HandleAsync(Guid sourceId, HttpContext http, CurrentUser user, Database database, KnownSources known, CancellationToken ct)
    {
        var rows = user.Owner is null ? await ReadAsync() : [];
        if (rows.Count == 0 && await known.FindAsync(user, sourceId, ct) is { } shared)
        {
            user = shared.As(user);
            rows = await ReadAsync();
        }
        if (rows.Count == 0) return Sources.NotFound(sourceId);
        if (user.Owner is not null) await AccessLog.NoteAsync(database, user, sourceId, "read", ct);
        http.Response.Headers.ETag = Sources.ETag(rows[0].Version);
        if (http.Request.GetTypedHeaders().IfNoneMatch.Any(tag => tag.Tag == "*" || tag.Tag == Sources.ETag(rows[0].Version)))
            return TypedResults.StatusCode(304);
        return TypedResults.Ok(rows[0].ToSource());

        Task<IReadOnlyList<Sources.Row>> ReadAsync() =>
            database.ReadAsync<Sources.Row>(user, Sources.Select, new { sourceId, after = (Guid?)null, limit = 1 }, ct);
    }
}
