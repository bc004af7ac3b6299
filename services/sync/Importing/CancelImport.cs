using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Cancels an import. One that waits is cancelled at once; one that runs stops within about a second. What it stored stays.
/// One that is at its end stays as it is, receipt and all, so cancelling twice does no harm.
/// </summary>
public static class CancelImport
{
    private sealed record Before(string Format, string State, bool IsHeld, string? Receipt);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/imports/{import_id:guid}", HandleAsync)
        .WithName("CancelImport").WithSummary("Cancel an import; 202 while it is still stopping").WithExample(response: ImportView.Example);

    private static async Task<Results<NoContent, Accepted<ImportView>, ProblemHttpResult>> HandleAsync(
        [FromRoute(Name = "import_id")] Guid import, CurrentUser user, Database database, ImportFiles files, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        var before = await db.FindAsync<Before>(
            """
            select format, state, state = 'running' and lease_until >= now() as is_held, receipt::text
            from imports
            where import_id = @import
            for update
            """, new { import });
        if (before is null) return ImportView.NotFound(import);
        if (before.State is "completed" or "failed" or "cancelled") return TypedResults.NoContent();
        if (before.IsHeld)
        {
            await db.ExecuteAsync("update imports set cancel_requested = true where import_id = @import", new { import });
            var view = await ShowImport.FindAsync(db, import);
            await db.CommitAsync();
            return TypedResults.Accepted($"/sync/v1/imports/{import}", view);
        }

        await db.ExecuteAsync(
            """
            update imports
            set state = 'cancelled', cancel_requested = true, lease = null, lease_until = null, checkpoint = null, error = null, finished_at = now()
            where import_id = @import
            """, new { import });
        var receipt = before.Receipt is { } json ? System.Text.Json.JsonSerializer.Deserialize<Receipt>(json, Wire.Json)! : new();
        await db.PublishAsync(new ImportCompleted(
            user.Id, import, before.Format, "cancelled", receipt.Stored, receipt.Unchanged, receipt.Replaced, receipt.Rejected));
        await db.CommitAsync();
        files.Delete(user.Id, import);
        return TypedResults.NoContent();
    }
}
