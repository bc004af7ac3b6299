using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>Ends a key. A second later it opens nothing in any service.</summary>
public static class EndKey
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me/api-keys/{keyId}", HandleAsync)
        .WithName("EndApiKey").WithSummary("Ends a key: a second later it opens nothing anywhere.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string keyId, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ExecuteAsync($"update api_keys set ended_at = now() where key_id = @keyId and {ApiKey.Good}", new { keyId }) == 0) return NotFound();
        await db.NoteAsync(http, Entry.ApiKeyEnded, Entry.LoginOf(user), new { keyId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    internal static ProblemHttpResult NotFound() => Problems.Of(404, "api-key-not-found", "You have no such key, or it is not good any more.");
}
