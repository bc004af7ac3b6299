using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>An import as its owner sees it.</summary>
public sealed record ImportView(
    Guid ImportId, string Format, Guid? SourceId, string State, bool CancelRequested, ImportView.Way Progress, JsonElement? Receipt,
    JsonElement? Error, DateTimeOffset CreatedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt)
{
    /// <summary>How far it has come: bytes of the file as it was sent, records of whatever fate.</summary>
    public sealed record Way(long Bytes, long TotalBytes, long Records, double RecordsPerSecond, double? SecondsLeft);

    public const string Example = """
        {"import_id": "0190f3d2-88ab-7c31-9d1e-2b8c1f0a5e44", "format": "apple-health", "source_id": null, "state": "completed", "cancel_requested": false,
         "progress": {"bytes": 364608774, "total_bytes": 364608774, "records": 1000000, "records_per_second": 151000, "seconds_left": 0},
         "receipt": {"stored": 999930, "unchanged": 0, "replaced": 0, "rejected": 1, "truncated": false,
                     "types": {"heart_rate": 549431, "sleep": 345, "workout": 69}, "skipped": {"ActivitySummary": 2},
                     "sources": [{"source_id": "5b1c9f0e-3d52-8a11-b0c4-7d1c5e6f7a80", "name": "Watch"}],
                     "examples": [{"line": 1204, "record": "HKQuantityTypeIdentifierHeartRate", "type": "not-a-number", "detail": "'--' is not a number."}],
                     "examples_kept": 1, "rejects": "/sync/v1/imports/0190f3d2-88ab-7c31-9d1e-2b8c1f0a5e44/rejects"},
         "error": null, "created_at": "2026-11-20T20:57:14Z", "started_at": "2026-11-20T20:57:15Z", "finished_at": "2026-11-20T20:57:22Z"}
        """;

    internal sealed record Row(
        Guid ImportId, string Format, Guid? SourceId, string State, bool CancelRequested, long Bytes, long TotalBytes, long Records, float RecordsPerSecond,
        string? Receipt, string? Error, DateTimeOffset CreatedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt);

    internal const string Columns =
        "import_id, format, source_id, state, cancel_requested, bytes, total_bytes, records, records_per_second, receipt::text, error::text, created_at, started_at, finished_at";

    /// <summary>With the first rejects as examples, where they are asked for.</summary>
    internal static ImportView Of(Row row, IReadOnlyList<Reject>? examples = null, int kept = 0)
    {
        var ended = row.State is "completed" or "failed" or "cancelled";
        double? seconds = ended ? 0 : row is { Records: > 0, RecordsPerSecond: > 0, Bytes: > 0 }
            ? Math.Round((row.TotalBytes - row.Bytes) * (row.Records / (double)row.Bytes) / row.RecordsPerSecond, 1)
            : null;
        JsonElement? receipt = null;
        if (row.Receipt is { } json)
        {
            var counts = JsonSerializer.Deserialize<Receipt>(json, Wire.Json)!;
            receipt = JsonSerializer.SerializeToElement(new
            {
                counts.Stored, counts.Unchanged, counts.Replaced, counts.Rejected, counts.Truncated, counts.Types, counts.Skipped,
                Sources = counts.Sources.Select(source => new { SourceId = source.Key, Name = source.Value }),
                Examples = examples, ExamplesKept = examples is null ? (int?)null : kept, Rejects = $"/sync/v1/imports/{row.ImportId}/rejects",
            }, Wire.Json);
        }

        return new(row.ImportId, row.Format, row.SourceId, row.State, row.CancelRequested,
            new(row.Bytes, row.TotalBytes, row.Records, Math.Round(row.RecordsPerSecond), seconds), receipt,
            row.Error is { } error ? JsonSerializer.Deserialize<JsonElement>(error) : null, row.CreatedAt, row.StartedAt, row.FinishedAt);
    }

    internal static Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult NotFound(Guid import) => Problems.Of(404, "import-not-found", $"There is no import {import}.");
}
