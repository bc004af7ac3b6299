using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Tokens with which this service acts for a person at <c>readings</c>, by token exchange (RFC 8693): an import may run for
/// hours after the person's own token has ended. Each is kept until shortly before it expires.
/// </summary>
public sealed class ServiceTokens(IHttpClientFactory clients, IConfiguration config, TimeProvider clock)
{
    private static readonly TimeSpan Early = TimeSpan.FromSeconds(60);
    private readonly ConcurrentDictionary<Guid, (string Token, DateTimeOffset Until)> known = new();

    public async Task<string> ForAsync(Guid user, CancellationToken ct)
    {
        if (known.TryGetValue(user, out var token) && token.Until > clock.GetUtcNow()) return token.Token;
        using var request = new HttpRequestMessage(HttpMethod.Post, config["Identity:Tokens"])
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["grant_type"] = "urn:ietf:params:oauth:grant-type:token-exchange", ["subject_token"] = user.ToString(),
                ["subject_token_type"] = "urn:openreadings:token-type:account-id", ["audience"] = "readings", ["scope"] = "readings:read readings:write",
            }),
        };
        var secret = Uri.EscapeDataString((config["Identity:ClientSecret"] ?? "").Trim());
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"sync:{secret}")));
        using var response = await Calls.SendAsync(clients.CreateClient("identity"), request, "identity", ct);
        using var body = await Calls.ReadAsync(response, ct);
        if (response.StatusCode == HttpStatusCode.BadRequest && Calls.Text(body, "error") is "invalid_grant" or "invalid_target")
            throw new FileRefusedException("account-gone", "The account of this import is no longer there.");
        if (!response.IsSuccessStatusCode)
            throw new PausedException($"identity answered {(int)response.StatusCode} {Calls.Text(body, "error")} to the token exchange");
        token = (Calls.Text(body, "access_token")!, clock.GetUtcNow().AddSeconds(body!.RootElement.GetProperty("expires_in").GetInt32()) - Early);
        foreach (var (other, old) in known)
            if (old.Until <= clock.GetUtcNow()) known.TryRemove(other, out _);
        known[user] = token;
        return token.Token;
    }

    public void Forget(Guid user) => known.TryRemove(user, out _);
}

/// <summary>The import cannot go on just now, and will later from where it stood.</summary>
public sealed class PausedException(string reason, TimeSpan? after = null) : Exception(reason)
{
    /// <summary>How long the other side asked us to wait.</summary>
    public TimeSpan? After => after;
}

/// <summary>What calls to other services have in common.</summary>
internal static class Calls
{
    /// <summary>Sends through the client's pipeline. Whatever is left of an outage after its retries pauses the import.</summary>
    public static async Task<HttpResponseMessage> SendAsync(HttpClient client, HttpRequestMessage request, string service, CancellationToken ct)
    {
        try
        {
            return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            throw new PausedException($"{service} could not be reached ({e.GetType().Name})");
        }
    }

    /// <summary>The JSON of an answer; null when it has none.</summary>
    public static async Task<JsonDocument?> ReadAsync(HttpResponseMessage response, CancellationToken ct)
    {
        try
        {
            return await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(ct), default, ct);
        }
        catch (Exception e) when (e is JsonException or IOException or HttpRequestException && !ct.IsCancellationRequested)
        {
            return null;
        }
    }

    public static string? Text(JsonDocument? body, string name) =>
        body?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
