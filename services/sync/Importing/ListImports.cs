using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>A person's imports, the newest first.</summary>
public static class ListImports
{
    public sealed record Response(IReadOnlyList<ImportView> Imports, string? Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/imports", HandleAsync)
        .WithName("ListImports").WithSummary("Imports, the newest first")
        .WithExample(response: $$"""{"imports": [{{ImportView.Example}}], "next": null}""");

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        HttpResponse response, CurrentUser user, Database database, CancellationToken ct,
        [FromQuery] int limit = 50, [FromQuery] string? after = null)
    {
        if (limit is < 1 or > 500) return Problems.Of(400, "invalid-limit", "A page has 1 to 500 imports.");
        DateTimeOffset? before = null;
        Guid? beforeImport = null;
        if (after is not null)
        {
            if (Read(after) is not var (at, import)) return Problems.Of(400, "invalid-cursor", "'after' is not a cursor of this list.");
            (before, beforeImport) = (at, import);
        }

        var rows = await database.ReadAsync<ImportView.Row>(user,
            $"""
            select {ImportView.Columns}
            from imports
            where @before::timestamptz is null or (created_at, import_id) < (@before::timestamptz, @beforeImport::uuid)
            order by created_at desc, import_id desc
            limit @more
            """, new { before, beforeImport, more = limit + 1 }, ct);
        var next = rows.Count > limit ? Write(rows[limit - 1]) : null;
        if (next is not null) response.Headers.Link = $"</sync/v1/imports?limit={limit}&after={next}>; rel=\"next\"";
        return TypedResults.Ok(new Response([.. rows.Take(limit).Select(row => ImportView.Of(row))], next));
    }

    private static string Write(ImportView.Row row) =>
        System.Buffers.Text.Base64Url.EncodeToString(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{row.CreatedAt.UtcTicks} {row.ImportId}")));

    private static (DateTimeOffset, Guid)? Read(string cursor)
    {
        try
        {
            var parts = Encoding.ASCII.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(cursor)).Split(' ');
            return parts.Length == 2 && long.TryParse(parts[0], out var ticks) && ticks is >= 0 and < 3_155_378_975_999_999_999 && Guid.TryParse(parts[1], out var import)
                ? (new DateTimeOffset(ticks, TimeSpan.Zero), import)
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
