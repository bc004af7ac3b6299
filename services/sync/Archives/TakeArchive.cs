using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Archives;

/// <summary>
/// Everything that the services keep of a person, as one zip that can be imported again (decision 49). It is written as it is
/// sent: nothing of it rests on a disk here. A download that breaks off is begun anew.
/// </summary>
public static class TakeArchive
{
    private const int EventsPerPage = 1000;
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // What tells of the account and its doings, and is not brought back: a login or a key lives only where it was made.
    private static readonly (string Service, string Path, string Entry)[] About =
    [
        ("identity", "/identity/v1/me/logins", "logins"), ("identity", "/identity/v1/me/audit?limit=200", "audit"),
        ("identity", "/identity/v1/me/api-keys", "api_keys"), ("identity", "/identity/v1/me/applications", "applications"),
        ("identity", "/identity/v1/me/consents", "consents"), ("identity", "/identity/v1/me/factors", "factors"),
        ("identity", "/identity/v1/me/passkeys", "passkeys"), ("identity", "/identity/v1/me/external-identities", "external_identities"),
        ("identity", "/identity/v1/me/invitations", "invitations"),
        ("readings", "/readings/v1/grants?limit=1000", "grants"), ("readings", "/readings/v1/access-log?limit=1000", "access_log"),
    ];

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/archive", HandleAsync).RequireLogin()
        .Produces<byte[]>(200, "application/zip")
        .DisableRequestTimeout()    // as long as it takes; Kestrel ends those that stand still
        .WithName("TakeArchive").WithSummary("Everything that is kept of you, as one zip that can be imported again (format openreadings).")
        .WithDescription("""
            `data/` is what an import brings back: `profile.json`, `preferences.json`, `avatar` (a picture), and for each source `source.json`, `readings.ndjson` and
            `events.ndjson`. The same data gives the same bytes. `about/` tells of the account: logins, audit, keys, consents, grants, who looked,
            imports; `about=false` leaves it out. The last entry, `end.json`, says that the archive is whole.
            """)
        .WithExample(response: "PK…", responseType: "application/zip");

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, IHttpClientFactory clients, ServiceTokens tokens, Uploads uploads, TimeProvider clock,
        CancellationToken ct, [FromQuery] bool about = true)
    {
        using var slot = uploads.Begin(user.Id, 0);
        var own = new OtherServices(clients, _ => Task.FromResult(http.Request.Headers.Authorization.ToString()["Bearer ".Length..].Trim()));
        var forLong = new OtherServices(clients, async token => await tokens.ForAsync(user.Id, token));
        // The person's own token may end before a large archive does, so whatever needs it is asked for first.
        JsonElement me, preferences;
        byte[]? picture = null;
        try
        {
            me = await own.ReadAsync("identity", "/identity/v1/me", ct);
            preferences = await own.ReadAsync("identity", "/identity/v1/me/preferences", ct);
            if (me.GetProperty("avatar_url").GetString() is { } address)
            {
                using var shown = await own.SendAsync("identity", address, "image/*", ct);
                picture = await shown.Content.ReadAsByteArrayAsync(ct);
            }

            await forLong.ReadAsync("readings", "/readings/v1/sources?limit=1", ct);
        }
        catch (Exception e) when (e is PausedException or FileRefusedException)
        {
            return Problems.Of(503, "archive-unavailable", $"The archive would not be whole: {e.Message}. Try again shortly.");
        }

        // Told before the first byte: whoever breaks the download off has taken what came.
        await using (var db = await database.BeginAsync(user, ct))
        {
            await db.PublishAsync(new ArchiveTaken(user.Id, Guid.Parse(user.Token.LoginId!), clock.GetUtcNow()));
            await db.CommitAsync();
        }

        http.Response.ContentType = "application/zip";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"openreadings-{clock.GetUtcNow():yyyy-MM-dd}.zip\"";
        http.Response.Headers.CacheControl = "no-store";
        var zip = await ZipArchive.CreateAsync(http.Response.BodyWriter.AsStream(), ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, ct);
        try
        {
            await WriteAsync(zip, "archive.json", new { format = "openreadings-archive", version = 1 }, ct);
            if (about)
            {
                await WriteAsync(zip, "about/account.json", me, ct);
                foreach (var (service, path, entry) in About) await WriteItemsAsync(zip, $"about/{entry}.ndjson", own.PagesAsync(service, path, ct), ct);
                await WriteItemsAsync(zip, "about/imports.ndjson", ImportsAsync(database, user, ct), ct);
            }

            await WriteAsync(zip, "data/profile.json", new { name = me.GetProperty("name"), time_zone = me.GetProperty("time_zone") }, ct);
            await WriteAsync(zip, "data/preferences.json", preferences, ct);
            if (picture is not null)
            {
                await using var entry = await OpenAsync(zip, "data/avatar", ct);
                await entry.WriteAsync(picture, ct);
            }

            var sources = 0;
            await foreach (var source in forLong.PagesAsync("readings", "/readings/v1/sources?limit=1000", ct))
            {
                await WriteSourceAsync(zip, source, forLong, ct);
                sources++;
            }

            await WriteAsync(zip, "end.json", new { sources }, ct);
        }
        catch
        {
            http.Abort();       // before the zip gets a directory, which would make it look whole
            throw;
        }

        await zip.DisposeAsync();
        return Results.Empty;
    }

    private static async Task WriteSourceAsync(ZipArchive zip, JsonElement source, OtherServices from, CancellationToken ct)
    {
        var (id, folder) = (source.GetProperty("source_id").GetGuid(), $"data/sources/{source.GetProperty("source_id").GetGuid()}");
        var declared = JsonObject.Create(source)!;
        foreach (var ours in (string[])["source_id", "created_at", "updated_at"]) declared.Remove(ours);
        await WriteAsync(zip, $"{folder}/source.json", declared, ct);
        if (declared["metrics"]!.AsObject().Count > 0)
        {
            await using var rows = await OpenAsync(zip, $"{folder}/readings.ndjson", ct);
            using var answer = await from.SendAsync("readings", $"/readings/v1/sources/{id}/readings?written_by=false", "application/x-ndjson", ct);
            await CopyAsync(await answer.Content.ReadAsStreamAsync(ct), rows, ct);
        }

        await WriteItemsAsync(zip, $"{folder}/events.ndjson", EventsAsync(), ct);

        async IAsyncEnumerable<JsonElement> EventsAsync()
        {
            await foreach (var happened in from.PagesAsync("readings", $"/readings/v1/sources/{id}/events?limit={EventsPerPage}", ct))
            {
                var kept = JsonObject.Create(happened)!;
                kept.Remove("source_id");
                kept.Remove("written_by");
                yield return JsonSerializer.SerializeToElement(kept);
            }
        }
    }

    private static async IAsyncEnumerable<JsonElement> ImportsAsync(Database database, CurrentUser user, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var row in await database.ReadAsync<ImportView.Row>(user, $"select {ImportView.Columns} from imports order by created_at, import_id", null, ct))
            yield return JsonSerializer.SerializeToElement(ImportView.Of(row), Chassis.Json.Options);
    }

    private static async Task WriteAsync<T>(ZipArchive zip, string name, T value, CancellationToken ct)
    {
        await using var entry = await OpenAsync(zip, name, ct);
        await JsonSerializer.SerializeAsync(entry, value, Readable, ct);
    }

    private static async Task WriteItemsAsync(ZipArchive zip, string name, IAsyncEnumerable<JsonElement> items, CancellationToken ct)
    {
        await using var entry = await OpenAsync(zip, name, ct);
        await foreach (var item in items)
            await entry.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(item, Readable) + '\n'), ct);
    }

    // In pieces of one size: how deflate packs depends on how it is fed, and the network's pieces are never the same twice.
    private static async Task CopyAsync(Stream from, Stream to, CancellationToken ct)
    {
        var piece = new byte[64 * 1024];
        for (var read = piece.Length; read == piece.Length;)
        {
            read = await from.ReadAtLeastAsync(piece, piece.Length, throwOnEndOfStream: false, ct);
            await to.WriteAsync(piece.AsMemory(0, read), ct);
        }
    }

    private static async Task<Stream> OpenAsync(ZipArchive zip, string name, CancellationToken ct)
    {
        var entry = zip.CreateEntry(name, CompressionLevel.Fastest);
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);    // the same data, the same bytes
        return await entry.OpenAsync(ct);
    }

    /// <summary>Where the parts come from: the other services, asked with one kind of token.</summary>
    private sealed class OtherServices(IHttpClientFactory clients, Func<CancellationToken, Task<string>> tokenAsync)
    {
        public async Task<JsonElement> ReadAsync(string service, string path, CancellationToken ct)
        {
            using var response = await SendAsync(service, path, "application/json", ct);
            return await JsonSerializer.DeserializeAsync<JsonElement>(await response.Content.ReadAsStreamAsync(ct), cancellationToken: ct);
        }

        /// <summary>The items of a list, over all of its pages.</summary>
        public async IAsyncEnumerable<JsonElement> PagesAsync(string service, string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
        {
            var cursor = path.Contains("/audit", StringComparison.Ordinal) ? "before" : "after";
            for (var page = path; ;)
            {
                var answer = await ReadAsync(service, page, ct);
                var list = answer.ValueKind == JsonValueKind.Object ? answer.EnumerateObject().FirstOrDefault(field => field.Value.ValueKind == JsonValueKind.Array).Value : answer;
                if (list.ValueKind == JsonValueKind.Array)
                    foreach (var item in list.EnumerateArray()) yield return item;
                else yield return answer;
                if (answer.ValueKind != JsonValueKind.Object || !answer.TryGetProperty("next", out var next) || next.ValueKind == JsonValueKind.Null) yield break;
                page = $"{path}&{cursor}={Uri.EscapeDataString(next.ToString())}";
            }
        }

        public async Task<HttpResponseMessage> SendAsync(string service, string path, string accept, CancellationToken ct)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await tokenAsync(ct));
            request.Headers.Accept.ParseAdd(accept);
            var response = await Calls.SendAsync(clients.CreateClient(service), request, service, ct);
            if (response.IsSuccessStatusCode) return response;
            using (response) throw new PausedException($"{service} answered {(int)response.StatusCode} to the archive");
        }
    }
}
