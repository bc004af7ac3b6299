using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Everything that an import could not store, to download: one JSON object a line, or CSV. The first 100 000 of an import
/// are kept (the setting <c>Imports:MaxRejects</c>), and all are counted in the receipt.
/// </summary>
public static class ListRejects
{
    private const int Page = 500;

    private sealed record Row(int Number, long Line, string? Record, string Type, string Detail);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/imports/{import_id:guid}/rejects", HandleAsync)
        .WithName("ListRejects").WithSummary("What an import could not store: application/x-ndjson, or text/csv when accepted")
        .WithExample(
            response: """{"line": 1204, "record": "HKQuantityTypeIdentifierHeartRate", "type": "not-a-number", "detail": "'--' is not a number."}""",
            responseType: "application/x-ndjson");

    private static async Task<IResult> HandleAsync(
        [FromRoute(Name = "import_id")] Guid import, HttpContext http, CurrentUser user, Database database, CancellationToken ct)
    {
        var isCsv = http.Request.GetTypedHeaders().Accept.Any(type => type.MediaType == "text/csv");
        var known = await database.ReadAsync<bool>(user, "select exists (select from imports where import_id = @import)", new { import }, ct);
        if (!known[0]) return ImportView.NotFound(import);

        http.Response.ContentType = isCsv ? "text/csv; charset=utf-8" : "application/x-ndjson";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"rejects-{import}.{(isCsv ? "csv" : "ndjson")}\"";
        var body = http.Response.BodyWriter;
        if (isCsv) body.Write("line,record,type,detail\r\n"u8);
        // A page at a time, and no connection is held while it is sent: the reader may be as slow as they like.
        for (var after = int.MinValue; ;)
        {
            var page = await database.ReadAsync<Row>(user,
                """
                select number, line, record, type, detail
                from import_rejects
                where import_id = @import and number > @after
                order by number
                limit @Page
                """, new { import, after, Page }, ct);
            foreach (var (_, line, record, type, detail) in page)
            {
                if (isCsv) body.Write(Encoding.UTF8.GetBytes($"{line},{Field(record)},{Field(type)},{Field(detail)}\r\n"));
                else
                {
                    body.Write(JsonSerializer.SerializeToUtf8Bytes(new Reject(line, record, type, detail), Wire.Json));
                    body.Write("\n"u8);
                }
            }

            await body.FlushAsync(ct);
            if (page.Count < Page) return Results.Empty;
            after = page[^1].Number;
        }
    }

    // The text comes from a stranger's file, and a spreadsheet would take "=…" for a formula.
    private static string Field(string? text)
    {
        if (text is null) return "";
        var safe = text is ['=' or '+' or '-' or '@' or '\t' or '\r', ..] ? "'" + text : text;
        return $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
