using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Readings of a source in the order of time, a page at a time as JSON, or the whole range as CSV or NDJSON in constant
/// memory. Metrics that share a time come back as one row.
/// </summary>
public static class ListReadings
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/sources/{sourceId:guid}/readings", HandleAsync)
        .WithName("ListReadings").WithSummary("Read a range of readings; Accept text/csv or application/x-ndjson for all of it")
        .WithDescription(
            "Where somebody else wrote a value last, a row says who: written_by, by metric (a plain id in the answers of latest, series and events). "
            + "It is a person, also where an application wrote for them (the access log names it), or an application or key that acts as itself. "
            + "Shown to the owner who has signed in here, and to whoever wrote. Not in CSV; written_by=false leaves the field out, and is no filter.")
        .WithExample(null,
            """
            {"readings": [{"at": "2026-11-20T07:30:00+02:00", "values": {"systolic": 121, "diastolic": 79},
                           "written_by": {"systolic": "0190f3d2-0001-7b00-8000-000000000008"}}],
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
