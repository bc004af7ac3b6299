using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace OpenReadings.Sync.Importing;

/// <summary>What <c>readings</c> answered to a batch.</summary>
public sealed record Answer(int Stored, int Unchanged, int Replaced, IReadOnlyList<Refusal> Rejected);

/// <summary>One item that it did not take.</summary>
public sealed record Refusal(string Pointer, string Type, string Detail);

/// <summary>Writes to <c>readings</c> for one person, over HTTP like anybody else.</summary>
public sealed class ReadingsClient(IHttpClientFactory clients, ServiceTokens tokens)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);
    private readonly HttpClient http = clients.CreateClient("readings");

    /// <summary>
    /// Makes sure that the source is there with these metrics, and tells the unit of each as the source keeps it. What was
    /// there already stays as it is.
    /// </summary>
    public async Task<Dictionary<string, string>> DeclareAsync(Guid user, Source source, IReadOnlyCollection<Metric> metrics, CancellationToken ct)
    {
        var path = $"/readings/v1/sources/{source.Id}";
        var units = await UnitsAsync(user, path, ct);
        if (units is null)
        {
            var made = source.Declared ?? JsonSerializer.SerializeToUtf8Bytes(
                new { source.Name, source.Kind, Metrics = metrics.ToDictionary(metric => metric.Name, Spec) }, Wire.Json);
            using var created = await SendAsync(user, HttpMethod.Put, path, made, ct);
            return await UnitsAsync(user, path, ct) ?? throw new PausedException("readings lost the source that it had just made");
        }

        foreach (var metric in metrics.Where(metric => !units.ContainsKey(metric.Name)))
        {
            using var added = await SendAsync(user, HttpMethod.Put, $"{path}/metrics/{Uri.EscapeDataString(metric.Name)}", JsonSerializer.SerializeToUtf8Bytes(Spec(metric), Wire.Json), ct);
            units[metric.Name] = metric.Unit;
        }

        return units;
    }

    /// <summary>Sends one batch. Sending it again changes nothing.</summary>
    public async Task<Answer> PostAsync(Guid user, Batch batch, ReadOnlyMemory<byte> body, CancellationToken ct)
    {
        using var response = await SendAsync(user, HttpMethod.Post, $"/readings/v1/sources/{batch.Source.Id}/{batch.Path}", body, ct);
        try
        {
            return await JsonSerializer.DeserializeAsync<Answer>(await response.Content.ReadAsStreamAsync(ct), Wire.Json, ct) ?? throw new JsonException();
        }
        catch (Exception e) when (e is JsonException or IOException or HttpRequestException && !ct.IsCancellationRequested)
        {
            throw new PausedException("readings broke off in the middle of an answer");
        }
    }

    private static object Spec(Metric metric) => new { metric.Unit, metric.Type, Counter = metric.Counter ? true : (bool?)null };

    private async Task<Dictionary<string, string>?> UnitsAsync(Guid user, string path, CancellationToken ct)
    {
        using var response = await SendAsync(user, HttpMethod.Get, path, default, ct, mayBeAbsent: true);
        if (response.StatusCode == HttpStatusCode.NotFound) return null;
        using var body = await Calls.ReadAsync(response, ct) ?? throw new PausedException("readings broke off in the middle of an answer");
        return body.RootElement.GetProperty("metrics").EnumerateObject().ToDictionary(metric => metric.Name, metric => metric.Value.GetProperty("unit").GetString()!);
    }

    private async Task<HttpResponseMessage> SendAsync(
        Guid user, HttpMethod method, string path, ReadOnlyMemory<byte> body, CancellationToken ct, bool mayBeAbsent = false)
    {
        for (var renewed = false; ; renewed = true)
        {
            using var request = new HttpRequestMessage(method, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await tokens.ForAsync(user, ct));
            if (method != HttpMethod.Get) request.Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new("application/json") } };
            var response = await Calls.SendAsync(http, request, "readings", ct);
            if (response.IsSuccessStatusCode || (mayBeAbsent && response.StatusCode == HttpStatusCode.NotFound)) return response;
            using (response)
            {
                if (response.StatusCode == HttpStatusCode.Unauthorized && !renewed)
                {
                    tokens.Forget(user);
                    continue;
                }

                throw await FaultAsync(response, ct);
            }
        }
    }

    private static async Task<Exception> FaultAsync(HttpResponseMessage response, CancellationToken ct)
    {
        using var body = await Calls.ReadAsync(response, ct);
        var (status, type, detail) = ((int)response.StatusCode, Calls.Text(body, "type"), Calls.Text(body, "detail"));
        return (status, type) switch
        {
            (404, "account-deleted") => new FileRefusedException("account-gone", "The account of this import is no longer there."),
            (404 or 410, _) => new FileRefusedException("source-gone", detail ?? "The source of this import was deleted while it ran."),
            // Its projection of the catalog may still be on the way.
            (400, "unknown-type") => new PausedException($"readings: {detail}"),
            (401 or 408 or 409 or 429 or >= 500, _) => new PausedException($"readings answered {status} {type}", Wait(response)),
            _ => new FileRefusedException(type ?? "readings-refused", $"readings answered {status}: {detail}"),
        };
    }

    private static TimeSpan? Wait(HttpResponseMessage response) =>
        response.Headers.RetryAfter?.Delta is { } delta ? delta < LongestWait ? delta : LongestWait : null;
}
