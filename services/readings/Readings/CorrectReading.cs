using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Corrects values of one reading that is there already: the values that are named are replaced, the others stay. The
/// same request again changes nothing.
/// </summary>
public static class CorrectReading
{
    public sealed record Request(IReadOnlyDictionary<string, double> Values);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPut("/sources/{sourceId:guid}/readings/{at}", HandleAsync)
        .WithName("CorrectReading").WithSummary("Correct the values of one reading").Produces<RecordReadings.Response>()
        .WithExample("""{"values": {"systolic": 123}}""", """{"stored": 0, "unchanged": 0, "replaced": 1, "rejected": []}""");

    private static async Task<IResult> HandleAsync(
        Guid sourceId, string at, Request correction, CurrentUser user, Database database, KnownSources sources, TimeProvider clock,
        CancellationToken ct)
    {
        var time = Between.Parse(at, "at")!.Value;
        var there = await ReadingPage.ReadAsync(sources, user, sourceId, null, time, time + 1, 1, tellsWriters: false, ct);
        if (there is null) return Sources.NotFound(sourceId);
        if (there.Count == 0) return DeleteReading.NotFound(at);
        if (correction.Values is not { Count: > 0 }) return Problems.Of(400, "missing-values", "A correction names at least one value.");

        var answer = await sources.WriteAsync(user, sourceId, async source =>
        {
            var given = new ReadingsBody(source, clock.GetUtcNow());
            source.RequireWrite(Array.FindAll(source.Metrics, metric => correction.Values.ContainsKey(metric.Name)), time, time + 1);
            // The offset that the reading was given with stays: the path says when, not from where.
            if (given.Take(time, there.Offset(0), correction.Values) is { } fault)
                throw new ProblemException(400, fault.Type, fault.Detail, fault);
            return await RecordReadings.StoreAsync(database, user, source, given, ct);
        }, ct);
        return answer is null ? Sources.NotFound(sourceId) : TypedResults.Ok(answer);
    }
}
