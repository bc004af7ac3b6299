using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Readings of a source in the order of time, a page at a time as JSON, or the whole range as CSV or NDJSON in constant
/// memory. Metrics that share a time come back as one row. Where somebody else wrote values, a row of JSON and NDJSON says who:
/// <c>written_by</c>, by metric. <c>written_by=false</c> leaves it out.
/// </summary>
public static class ListReadings
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources/{sourceId:guid}/readings", HandleAsync)
        .WithName("ListReadings").WithSummary("Read a range of readings; Accept text/csv or application/x-ndjson for all of it")
        .WithExample(null,
            """
            {"readings": [{"at": "2026-11-20T07:30:00+02:00", "values": {"systolic": 121, "diastolic": 79},
                           "written_by": {"systolic": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44"}}],
             "next": "AAMB9HBrQgAAAAAAx3kq1fZm0Qk"}
            """);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, HttpContext http, CurrentUser user, KnownSources sources, TimeProvider clock, CancellationToken ct,
        [FromQuery] string[]? metric = null, string? from = null, string? to = null,
        [Range(1, ReadingPage.MaxRows)] int? limit = null, string? after = null, bool written_by = true)
    {
        var (start, end) = Between.All(from, to, clock);
        var question = $"{sourceId}|{string.Join('|', metric ?? [])}|{from}|{to}";
        if (after is not null) start = Paging.Read(after, question).At + 1;
        var format = http.Request.Headers.Accept.ToString();
        var isCsv = format.Contains("text/csv", StringComparison.OrdinalIgnoreCase);
        if (isCsv || format.Contains("application/x-ndjson", StringComparison.OrdinalIgnoreCase))
            return await StreamAsync(isCsv, limit ?? long.MaxValue);

        var page = await ReadingPage.ReadAsync(sources, user, sourceId, metric, start, end, limit ?? 1000, written_by, ct);
        if (page is null) return Sources.NotFound(sourceId);
        var next = page.HasMore ? Paging.Cursor(page.At(page.Count - 1), 0, question) : null;
        if (next is not null) Paging.Link(http, next);
        http.Response.ContentType = "application/json; charset=utf-8";
        using var writer = new RowWriter(http.Response.BodyWriter, page.Metrics);
        writer.Raw("{\"readings\":["u8);
        for (var row = 0; row < page.Count; row++)
        {
            if (row > 0) writer.Raw(","u8);
            writer.Json(page, row);
            if (writer.IsFull) await writer.FlushAsync(ct);
        }
        writer.Raw(next is null ? "]}"u8 : Encoding.ASCII.GetBytes($"],\"next\":\"{next}\"}}"));
        await writer.FlushAsync(ct);
        return Results.Empty;

        async Task<IResult> StreamAsync(bool csv, long left)
        {
            http.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();     // of any length; each page is soon read, and Kestrel ends those that stand still
            var begun = false;
            for (var more = true; more && left > 0;)
            {
                var part = await ReadingPage.ReadAsync(sources, user, sourceId, metric, start, end, (int)Math.Min(left, ReadingPage.MaxRows), written_by && !csv, ct);
                if (part is null) return begun ? Results.Empty : Sources.NotFound(sourceId);
                using var lines = new RowWriter(http.Response.BodyWriter, part.Metrics);
                if (!begun) http.Response.ContentType = csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson; charset=utf-8";
                if (!begun && csv) lines.Raw(Encoding.UTF8.GetBytes($"at,{string.Join(',', part.Metrics.Select(one => one.Name))}\r\n"));
                begun = true;
                for (var row = 0; row < part.Count; row++)
                {
                    if (csv) lines.Csv(part, row);
                    else
                    {
                        lines.Json(part, row);
                        lines.Raw("\n"u8);
                    }
                    if (lines.IsFull) await lines.FlushAsync(ct);
                }
                await lines.FlushAsync(ct);
                left -= part.Count;
                more = part.HasMore;
                if (more) start = part.At(part.Count - 1) + 1;
            }
            return Results.Empty;
        }
    }
}
