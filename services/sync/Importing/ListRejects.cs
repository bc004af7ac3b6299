using System.Buffers;
using System.Text;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Everything that an import could not store, to download: one JSON object a line, or CSV. The first 100 000 of an import
/// are kept (the setting <c>Imports:MaxRejects</c>), and all are counted in the receipt.
/// </summary>
public static class ListRejects
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/imports/{import_id:guid}/rejects", HandleAsync)
        .WithName("ListRejects").WithSummary("What an import could not store: application/x-ndjson, or text/csv when accepted")
        .WithExample(
            response: """{"line": 1204, "record": "HKQuantityTypeIdentifierHeartRate", "type": "not-a-number", "detail": "'--' is not a number."}""",
            responseType: "application/x-ndjson");

    private static async Task<IResult> HandleAsync(
        [FromRoute(Name = "import_id")] Guid import, HttpContext http, CurrentUser user, Database database, CancellationToken ct)
    {
        var isCsv = http.Request.GetTypedHeaders().Accept.Any(type => type.MediaType == "text/csv");
        await using var db = await database.BeginAsync(user, ct);
        if (!await db.ScalarAsync<bool>("select exists (select from imports where import_id = @import)", new { import })) return ImportView.NotFound(import);

        http.Response.ContentType = isCsv ? "text/csv; charset=utf-8" : "application/x-ndjson";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"rejects-{import}.{(isCsv ? "csv" : "ndjson")}\"";
        await using var reader = await db.Connection.ExecuteReaderAsync(new CommandDefinition(
            "select line, record, type, detail from import_rejects where import_id = @import order by number", new { import }, db.Transaction, cancellationToken: ct));
        var (body, unsent) = (http.Response.BodyWriter, 0);
        if (isCsv) body.Write("line,record,type,detail\r\n"u8);
        while (await reader.ReadAsync(ct))
        {
            var reject = new Reject(reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetString(1), reader.GetString(2), reader.GetString(3));
            var line = isCsv
                ? Encoding.UTF8.GetBytes($"{reject.Line},{Field(reject.Record)},{Field(reject.Type)},{Field(reject.Detail)}\r\n")
                : [.. JsonSerializer.SerializeToUtf8Bytes(reject, Wire.Json), (byte)'\n'];
            body.Write(line);
            if ((unsent += line.Length) < 64 * 1024) continue;
            await body.FlushAsync(ct);
            unsent = 0;
        }

        await body.FlushAsync(ct);
        return Results.Empty;
    }

    // The text comes from a stranger's file, and a spreadsheet would take "=…" for a formula.
    private static string Field(string? text)
    {
        if (text is null) return "";
        var safe = text is ['=' or '+' or '-' or '@' or '\t' or '\r', ..] ? "'" + text : text;
        return $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
