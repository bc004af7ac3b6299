using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Sync.Archives;
using OpenReadings.Sync.Csv;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Takes a file of any size and queues it. The client may choose the id, or send an Idempotency-Key: the same again is the
/// same import. With <c>dry_run=true</c> the first rows are shown as they would be stored, and nothing is.
/// </summary>
public static class StartImport
{
    public sealed record Query(
        [property: FromQuery(Name = "format")] string? Format, [property: FromQuery(Name = "source_id")] Guid? SourceId,
        [property: FromQuery(Name = "source_name")] string? SourceName, [property: FromQuery(Name = "mapping")] string? Mapping,
        [property: FromQuery(Name = "import_id")] Guid? ImportId, [property: FromQuery(Name = "dry_run")] bool? DryRun);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/imports", HandleAsync)
        .Produces<ImportView>(202).Produces<PreviewResult>(200)
        .DisableRequestTimeout()    // a large file on a slow line takes hours; Kestrel ends those that stand still
        .WithName("StartImport").WithSummary("Import a file: apple-health (export.xml or its zip), csv with a mapping, or openreadings (an archive)").WithDescription(Description)
        .WithExample(request: "<HealthData>…</HealthData>", response: ImportView.Example, requestType: "application/octet-stream");

    private static async Task<IResult> HandleAsync(
        [AsParameters] Query query, HttpContext http, CurrentUser user, Database database, ImportFiles files, ImportOptions options, Uploads uploads, ImportSignal signal,
        IHttpClientFactory clients, CancellationToken ct)
    {
        var request = Check(query);
        var encoding = http.Request.Headers.ContentEncoding.ToString();
        if (encoding is not ("" or "identity" or "gzip")) return Problems.Of(415, "unsupported-encoding", "A body is sent as it is, or with Content-Encoding gzip.");
        if (http.Request.ContentLength > options.MaxBytes) throw files.TooLarge();
        if (http.Request.ContentLength == 0) return Empty();
        http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = null;    // counted while it is written
        if (query.DryRun == true)
        {
            using var look = uploads.Begin(user.Id, 0);
            return await PreviewAsync(request, http.Request, user, encoding == "gzip", options, ct);
        }

        var import = query.ImportId ?? IdOf(user.Id, http.Request.Headers["Idempotency-Key"].ToString()) ?? OrderedId.Next();
        if (await KnownAsync(database, user, import, request, ct) is { } known) return known;
        var (waiting, waitingBytes) = await WaitingAsync(database, user, ct);
        if (waiting >= options.MaxUnfinished) return Problems.Of(429, "too-many-imports", $"{options.MaxUnfinished} imports wait already. Let some of them end first.");

        using var upload = uploads.Begin(user.Id, waitingBytes);
        var (temporary, bytes) = await files.ReceiveAsync(http.Request.Body, encoding == "gzip", upload, ct);
        try
        {
            if (bytes == 0) return Empty();
            if (request.Format == ImportRequest.Archive && user.IsSignedIn)
            {
                await using var archive = File.OpenRead(temporary);
                await RestoreProfile.FromAsync(archive, options.Unpacked, http.Request, clients, ct);
            }

            await using var db = await database.BeginAsync(user, ct);
            var made = await db.ExecuteAsync(
                """
                insert into imports (import_id, format, source_id, source_name, mapping, total_bytes)
                values (@import, @Format, @SourceId, @SourceName, @Mapping, @bytes)
                on conflict (user_id, import_id) do nothing
                """, new { import, request.Format, request.SourceId, request.SourceName, request.Mapping, bytes });
            // The file is in its place before anybody can see the row; should we die in between, it is swept.
            if (made == 1) files.Place(temporary, user.Id, import);
            var view = await ShowImport.FindAsync(db, import);
            await db.CommitAsync();
            signal.Wake();
            return TypedResults.Accepted($"/sync/v1/imports/{import}", view);
        }
        finally
        {
            ImportFiles.Discard(temporary);
        }
    }

    private static ImportRequest Check(Query query)
    {
        static ProblemException Wrong(string type, string parameter, string detail) => new(400, type, detail, new ProblemItem($"/{parameter}", type, detail));

        if (query.Format is not (ImportRequest.AppleHealth or ImportRequest.Csv or ImportRequest.Archive))
            throw Wrong("unknown-format", "format", "The format is apple-health, csv or openreadings.");
        if (query.Format == ImportRequest.Archive && (query.SourceId is not null || query.SourceName is not null))
            throw Wrong("invalid-value", "source_id", "An archive says itself which sources it holds.");
        if (query.SourceName is { Length: 0 or > 200 }) throw Wrong("invalid-value", "source_name", "A name has 1 to 200 characters.");
        if (query.ImportId == Guid.Empty) throw Wrong("invalid-value", "import_id", "Not the empty id.");
        if (query.Format == ImportRequest.Csv)
        {
            if (query.Mapping is null) throw Wrong("missing-mapping", "mapping", "A CSV file needs a mapping.");
            CsvMapping.Parse(query.Mapping);
            if (query.SourceId is null && query.SourceName is null) throw Wrong("missing-source", "source_id", "Say which source (source_id), or name one to be made (source_name).");
        }

        return new(query.Format, query.SourceId, query.SourceName, query.Format == ImportRequest.Csv ? query.Mapping : null);
    }

    private static async Task<IResult?> KnownAsync(Database database, CurrentUser user, Guid import, ImportRequest request, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await ShowImport.FindAsync(db, import) is not { } known) return null;
        return known.Format == request.Format && known.SourceId == request.SourceId
            ? TypedResults.Accepted($"/sync/v1/imports/{import}", known)
            : Problems.Of(409, "import-differs", "There is an import of this id with another format or source.");
    }

    private static async Task<(int Imports, long Bytes)> WaitingAsync(Database database, CurrentUser user, CancellationToken ct) =>
        (await database.ReadAsync<(int, long)>(user,
            "select count(*)::int, coalesce(sum(total_bytes), 0)::bigint from imports where state in ('queued', 'running')", null, ct))[0];

    private static async Task<IResult> PreviewAsync(ImportRequest request, HttpRequest http, CurrentUser user, bool isGzip, ImportOptions options, CancellationToken ct)
    {
        await using var body = isGzip ? new System.IO.Compression.GZipStream(http.Body, System.IO.Compression.CompressionMode.Decompress) : http.Body;
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(options.PreviewBytes);
        try
        {
            var length = await body.ReadAtLeastAsync(buffer.AsMemory(0, options.PreviewBytes), options.PreviewBytes, throwOnEndOfStream: false, ct);
            if (length == 0) return Empty();
            return TypedResults.Ok(Preview.Of(request, user.Id, new MemoryStream(buffer, 0, length), length < options.PreviewBytes, options.Unpacked));
        }
        catch (FileRefusedException e)
        {
            return Problems.Of(422, e.Type, e.Message);
        }
        catch (InvalidDataException)
        {
            return Problems.Of(400, "malformed-encoding", "The body is not gzip, though its Content-Encoding says so.");
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult Empty() => Problems.Of(400, "empty-file", "The file has no bytes.");

    private static Guid? IdOf(Guid user, string key)
    {
        if (key.Length == 0) return null;
        if (key.Length > 200) throw new ProblemException(400, "invalid-value", "An Idempotency-Key has up to 200 characters.");
        return Source.IdOf(user, "import", Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key))));
    }

    private const string Description = """
        The body is the file: as it is, zipped, or gzipped; what it is is told by its content. `mapping` (CSV only) is JSON:

        `{"time": {"column": "at" | 1, "format"?: "iso" | "unix" | "unix_ms" | "dd.MM.yyyy HH:mm" | "%d.%m.%Y %H:%M"} or {"date": …, "time": …, "format"?},
        "time_zone"?: "Europe/Berlin", "metrics": [{"column": "Zählerstand" | 2, "metric"?: "reading", "unit": "kWh", "type"?: "…", "scale"?: 0.001, "counter"?: true}],
        "delimiter"?: ";", "quote"?: "\"", "decimal"?: ",", "thousands"?: ".", "encoding"?: "utf-8" | "latin1" | "windows-1252" | "utf-16", "header"?: true,
        "skip_lines"?: 0, "comment"?: "#", "null"?: ["", "?", "NA"]}`

        A local time that the clock skipped is rejected (`nonexistent-local-time`); one that it showed twice is the first of the two, unless the row
        before shows that it is the second. A row with a cell that is not a number is rejected as a whole.

        An archive (`GET /sync/v1/archive`) brings back its sources under their own ids, with readings and events; what is there already stays
        or is replaced, as with any import. Name, time zone, preferences and picture come back when the person themself sends it.
        """;
}
