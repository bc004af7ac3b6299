using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>Adds one metric to a source, or changes it, and leaves the others alone. The same request again changes nothing.</summary>
public static class PutMetric
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPut("/sources/{sourceId:guid}/metrics/{metric}", HandleAsync)
        .WithName("PutMetric").WithSummary("Add or change one metric of a source")
        .Produces<MetricSpec>().Produces<MetricSpec>(201).WithExample("""{"unit": "bpm", "type": "heart_rate"}""", """{"unit": "/min", "type": "heart_rate"}""");

    private static async Task<IResult> HandleAsync(
        Guid sourceId, string metric, MetricSpec spec, HttpContext http, CurrentUser user, Database database, KnownSources known, CancellationToken ct)
    {
        if (await known.FindAsync(user, sourceId, ct) is not { } there) return Sources.NotFound(sourceId);
        there.Require(Access.Admin);
        user = there.As(user);
        await using var db = await database.BeginAsync(user, ct);
        var kind = await db.ScalarAsync<string?>("select kind from sources where source_id = @sourceId for update", new { sourceId });
        if (kind is null) return Sources.NotFound(sourceId);
        var wanted = await Metrics.CheckAsync(db, new Dictionary<string, MetricSpec> { [metric] = spec }, pointer: "");
        var before = (await Sources.FindAsync(db, sourceId))!.ToSource().Metrics;
        if (before.Count >= Metrics.Most && !before.ContainsKey(metric)) throw Metrics.TooMany();
        if (await MetricPlan.ApplyAsync(db, sourceId, wanted, all: false))
        {
            await Sources.TouchAsync(db, sourceId);
            await db.PublishAsync(new SourceUpdated(user.OwnerId, sourceId, kind, [.. before.Keys.Union([metric])]));
            if (there.IsShared) await AccessLog.NoteAsync(db, user, sourceId, "admin");
        }
        var after = (await Sources.FindAsync(db, sourceId))!;
        await db.CommitAsync();
        known.Forget(user, sourceId);
        http.Response.Headers.ETag = Sources.ETag(after.Version);
        var answer = after.ToSource().Metrics[metric];
        return before.ContainsKey(metric)
            ? TypedResults.Ok(answer)
            : TypedResults.Created($"/readings/v1/sources/{sourceId}/metrics/{Uri.EscapeDataString(metric)}", answer);
    }
}
