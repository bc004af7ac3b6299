using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>One import: how far it has come and what became of its records, with the first 1 000 rejects as examples.</summary>
public static class ShowImport
{
    private const int MostExamples = 1_000;

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/imports/{import_id:guid}", HandleAsync)
        .WithName("ShowImport").WithSummary("Progress of an import, and its receipt").WithExample(response: ImportView.Example);

    private static async Task<Results<Ok<ImportView>, ProblemHttpResult>> HandleAsync(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "import_id")] Guid import, CurrentUser user, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        return await FindAsync(db, import) is { } view ? TypedResults.Ok(view) : ImportView.NotFound(import);
    }

    internal static async Task<ImportView?> FindAsync(UserTransaction db, Guid import)
    {
        var row = await db.FindAsync<ImportView.Row>($"select {ImportView.Columns} from imports where import_id = @import", new { import });
        if (row is null) return null;
        var examples = await db.QueryAsync<Reject>(
            "select line, record, type, detail from import_rejects where import_id = @import order by number limit @MostExamples", new { import, MostExamples });
        var kept = examples.Count < MostExamples
            ? examples.Count
            : await db.ScalarAsync<int>("select coalesce(max(number), 0) from import_rejects where import_id = @import", new { import });
        return ImportView.Of(row, examples, kept);
    }
}
