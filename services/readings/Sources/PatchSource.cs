using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Nodes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Changes parts of a source (RFC 7396: null takes a field or a metric away). Needs If-Match with the ETag that was read,
/// so that nobody overwrites what they have not seen.
/// </summary>
public static class PatchSource
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPatch("/sources/{sourceId:guid}", HandleAsync)
        .WithName("PatchSource").WithSummary("Change parts of a source; If-Match is required")
        .Produces<Source>().WithExample("""{"name": "Upper arm cuff", "location": null}""", Sources.Example);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, JsonObject patch, HttpContext http, CurrentUser user, Database database, KnownSources known, CancellationToken ct)
    {
        if (http.Request.Headers.IfMatch.Count == 0)
            return Problems.Of(428, "precondition-required", "Send If-Match with the ETag of the source that you read.");
        if (await known.FindAsync(user, sourceId, ct) is not { } there) return Sources.NotFound(sourceId);
        there.Require(Access.Admin);
        user = there.As(user);
        var rows = await database.ReadAsync<Sources.Row>(user, Sources.Select, new { sourceId, after = (Guid?)null, limit = 1 }, ct);
        if (rows.Count == 0) return Sources.NotFound(sourceId);
        Sources.Require(http, rows[0].Version);

        var now = JsonSerializer.SerializeToNode(rows[0].ToSource(), Json.Options)!.AsObject();
        Merge(now, patch);
        SourceRequest? wanted;
        try
        {
            wanted = now.Deserialize<SourceRequest>(Json.Options);
        }
        catch (JsonException e)
        {
            return Problems.Of(400, "malformed-json", "The patch does not make a source.", new ProblemItem("", "malformed-json", e.Message.Split(" Path:")[0]));
        }
        var faults = new List<ValidationResult>();
        if (!Validator.TryValidateObject(wanted!, new ValidationContext(wanted!), faults, validateAllProperties: true))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", [.. faults.Select(fault => new ProblemItem(
                "/" + JsonNamingPolicy.SnakeCaseLower.ConvertName(fault.MemberNames.First()), "invalid-value", fault.ErrorMessage!))]);
        // SaveAsync asks for If-Match again, with the row held: somebody may have been quicker.
        return await Sources.SaveAsync(http, sourceId, wanted!, user, database, known, ct);
    }

    private static void Merge(JsonObject into, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            if (value is null) into.Remove(name);
            else if (value is JsonObject part && into[name] is JsonObject there) Merge(there, part);
            else into[name] = value.DeepClone();
        }
    }
}
