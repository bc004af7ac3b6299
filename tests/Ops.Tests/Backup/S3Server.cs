using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenReadings.Ops.Tests.Backup;

/// <summary>
/// As much of Amazon's S3 protocol as a backup speaks: objects in one bucket, uploads in parts, lists in pages of three. It
/// refuses whatever is not signed with its key by Signature Version 4, computed here from the protocol's own description.
/// </summary>
internal sealed class S3Server : IAsyncDisposable
{
    public const string AccessKey = "backup", SecretKey = "not a secret";
    private static readonly XNamespace Ns = "http://s3.amazonaws.com/doc/2006-03-01/";
    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, SortedDictionary<int, byte[]>> uploads = new();

    private S3Server(WebApplication app) => this.app = app;

    public ConcurrentDictionary<string, byte[]> Objects { get; } = new();
    public int Parts { get; private set; }
    public Uri Address => new(app.Urls.First());

    public static async Task<S3Server> StartAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var server = new S3Server(app);
        app.Run(server.HandleAsync);
        await app.StartAsync(ct);
        return server;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task HandleAsync(HttpContext http)
    {
        using var memory = new MemoryStream();
        await http.Request.Body.CopyToAsync(memory);
        if (!IsSigned(http.Request))
        {
            http.Response.StatusCode = 403;
            await http.Response.WriteAsync("<Error><Code>SignatureDoesNotMatch</Code></Error>");
            return;
        }
        var body = http.Request.Headers.ContentEncoding.ToString().Contains("aws-chunked", StringComparison.Ordinal) ? Unchunk(memory.ToArray()) : memory.ToArray();
        var (key, query) = (http.Request.Path.Value!.Split('/', 3).ElementAtOrDefault(2) ?? "", http.Request.Query);
        switch (http.Request.Method)
        {
            case "PUT" when query.ContainsKey("uploadId"):
                uploads[query["uploadId"]!][int.Parse(query["partNumber"]!, CultureInfo.InvariantCulture)] = body;
                Parts++;
                http.Response.Headers.ETag = "\"part\"";
                break;
            case "PUT":
                Objects[key] = body;
                http.Response.Headers.ETag = "\"whole\"";
                break;
            case "POST" when query.ContainsKey("uploads"):
                uploads["upload-" + key] = [];
                await AnswerAsync("InitiateMultipartUploadResult", new XElement(Ns + "Key", key), new XElement(Ns + "UploadId", "upload-" + key));
                break;
            case "POST":
                uploads.TryRemove(query["uploadId"]!, out var parts);
                Objects[key] = [.. parts!.Values.SelectMany(part => part)];
                await AnswerAsync("CompleteMultipartUploadResult", new XElement(Ns + "Key", key), new XElement(Ns + "ETag", "\"whole\""));
                break;
            case "DELETE":
                Objects.TryRemove(key, out _);
                http.Response.StatusCode = 204;
                break;
            case "GET" when key.Length == 0:
                var all = Objects.Keys.Where(name => name.StartsWith(query["prefix"].ToString(), StringComparison.Ordinal)).Order(StringComparer.Ordinal)
                    .Where(name => string.CompareOrdinal(name, query["continuation-token"].ToString()) > 0).ToArray();
                await AnswerAsync("ListBucketResult",
                [
                    new XElement(Ns + "IsTruncated", all.Length > 3 ? "true" : "false"),
                    .. all.Length > 3 ? new[] { new XElement(Ns + "NextContinuationToken", all[2]) } : [],
                    .. all.Take(3).Select(name => new XElement(Ns + "Contents", new XElement(Ns + "Key", name), new XElement(Ns + "Size", Objects[name].Length))),
                ]);
                break;
            case "GET" when Objects.TryGetValue(key, out var found):
                http.Response.ContentLength = found.Length;
                await http.Response.Body.WriteAsync(found);
                break;
            default:
                http.Response.StatusCode = 404;
                await http.Response.WriteAsync("<Error><Code>NoSuchKey</Code></Error>");
                break;
        }

        Task AnswerAsync(string name, params IEnumerable<XElement> content)
        {
            http.Response.ContentType = "application/xml";
            return http.Response.WriteAsync(new XElement(Ns + name, content).ToString());
        }
    }

    private static bool IsSigned(HttpRequest request)
    {
        var given = request.Headers.Authorization.ToString().Split(' ', 2) is ["AWS4-HMAC-SHA256", var rest]
            ? rest.Split(',', StringSplitOptions.TrimEntries).Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1])
            : [];
        if (!given.TryGetValue("Credential", out var credential) || credential.Split('/') is not [AccessKey, var day, var region, "s3", "aws4_request"]) return false;
        var names = given["SignedHeaders"].Split(';');
        var canonical = string.Join('\n',
        [
            request.Method, request.Path.ToUriComponent(),
            string.Join('&', request.Query.Select(pair => $"{Uri.EscapeDataString(pair.Key)}={Uri.EscapeDataString(pair.Value.ToString())}").Order(StringComparer.Ordinal)),
            .. names.Select(name => $"{name}:{(name == "host" ? request.Host.Value : request.Headers[name].ToString())!.Trim()}"),
            "", given["SignedHeaders"], request.Headers["x-amz-content-sha256"].ToString(),
        ]);
        var text = $"AWS4-HMAC-SHA256\n{request.Headers["x-amz-date"]}\n{day}/{region}/s3/aws4_request\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        var key = new[] { day, region, "s3", "aws4_request" }.Aggregate(Encoding.UTF8.GetBytes("AWS4" + SecretKey), Mac);
        return Hex(Mac(key, text)) == given["Signature"];

        static byte[] Mac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));
        static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
    }

    private static byte[] Unchunk(byte[] body)
    {
        var whole = new List<byte>();
        for (var at = 0; ;)
        {
            var line = body.AsSpan(at).IndexOf("\r\n"u8);
            var size = int.Parse(Encoding.ASCII.GetString(body, at, line).Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size == 0) return [.. whole];
            whole.AddRange(body.AsSpan(at + line + 2, size));
            at += line + 2 + size + 2;
        }
    }
}
