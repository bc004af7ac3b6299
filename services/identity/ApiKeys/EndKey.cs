using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>Ends a key. A second later it opens nothing in any service.</summary>
public static class EndKey
{
    private sealed record Ended(Guid? OwnId);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me/api-keys/{keyId}", HandleAsync)
        .WithName("EndApiKey").WithSummary("Ends a key: a second later it opens nothing anywhere.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string keyId, CurrentUser user, Database database, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.FindAsync<Ended>($"update api_keys set ended_at = now() where key_id = @keyId and {ApiKey.Good} returning own_id", new { keyId }) is not { } ended) return NotFound();
        // What it stored as itself, and what was shared with it; unless the key that took its place goes on.
        if (ended.OwnId is { } ownId && !await db.ScalarAsync<bool>($"select exists (select from api_keys where own_id = @ownId and {ApiKey.Good})", new { ownId }))
            await db.PublishAsync(new AccountDeleted(ownId, clock.GetUtcNow()));
        await db.NoteAsync(http, Entry.ApiKeyEnded, Entry.LoginOf(user), new { keyId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    internal static ProblemHttpResult NotFound() => Problems.Of(404, "api-key-not-found", "You have no such key, or it is not good any more.");
}
