using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Queues;

/// <summary>RabbitMQ's management, as far as queues of applications need it. Whatever is asked for may be asked for again.</summary>
public sealed class BrokerManagement(IHttpClientFactory http, QueuePlace place)
{
    public const string Client = "broker-management";
    public const int MaxConnections = 5, MaxChannels = 20, MaxMessages = 100_000, MaxBytes = 100 << 20, KeptForDays = 7, MaxDeliveries = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>What waits in a queue, as the management knows it: some seconds old.</summary>
    public sealed record Depth(long? MessagesReady, int? Consumers);

    /// <summary>No pipeline of outgoing calls: whoever asks asks again. User and password go into a header, never into an address that is logged.</summary>
    public static void Add(IServiceCollection services) => services.AddHttpClient(Client, (provider, client) =>
    {
        var management = provider.GetRequiredService<QueuePlace>().Management!;
        client.BaseAddress = new Uri(new UriBuilder(management) { UserName = "", Password = "" }.Uri, "/api/");
        client.Timeout = Patience;
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(management.UserInfo))));
    });

    /// <summary>A queue, and a user of the same name who may read it and do nothing else. How much it may hold is a policy, so that it can be changed.</summary>
    public async Task MakeAsync(string name, byte[] passwordHash, CancellationToken ct)
    {
        await PutAsync($"policies/{Vhost}/app", new Dictionary<string, object>
        {
            ["pattern"] = "^app[.]", ["apply-to"] = "queues", ["priority"] = 0,
            ["definition"] = new Dictionary<string, object>
            {
                ["max-length"] = MaxMessages, ["max-length-bytes"] = MaxBytes, ["overflow"] = "drop-head", ["message-ttl"] = KeptForDays * 24 * 3600 * 1000, ["delivery-limit"] = MaxDeliveries,
            },
        }, ct);
        await PutAsync($"queues/{Vhost}/{name}", new { durable = true, auto_delete = false, arguments = new Dictionary<string, object> { ["x-queue-type"] = "quorum" } }, ct);
        await PutAsync($"users/{name}", new { password_hash = Convert.ToBase64String(passwordHash), hashing_algorithm = "rabbit_password_hashing_sha256", tags = "" }, ct);
        await PutAsync($"permissions/{Vhost}/{name}", new { configure = "^$", write = "^$", read = $"^{name.Replace(".", "[.]", StringComparison.Ordinal)}$" }, ct);
        await PutAsync($"user-limits/{name}/max-connections", new { value = MaxConnections }, ct);
        await PutAsync($"user-limits/{name}/max-channels", new { value = MaxChannels }, ct);
    }

    /// <summary>The user first: who is thrown out must not come back.</summary>
    public async Task ShutOutAsync(string name, CancellationToken ct)
    {
        await DeleteAsync($"users/{name}", ct);
        await CloseAsync(name, ct);
    }

    public Task CloseAsync(string name, CancellationToken ct) => DeleteAsync($"connections/username/{name}", ct);

    public Task RemoveAsync(string name, CancellationToken ct) => DeleteAsync($"queues/{Vhost}/{name}", ct);

    /// <summary>Null where the management does not answer, or has not heard of the queue.</summary>
    public async Task<Depth?> FindAsync(string name, CancellationToken ct)
    {
        try
        {
            return await http.CreateClient(Client).GetFromJsonAsync<Depth>($"queues/{Vhost}/{name}?columns=name,messages_ready,consumers", Json.Options, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    private string Vhost => Uri.EscapeDataString(place.Vhost);

    private async Task PutAsync(string path, object body, CancellationToken ct)
    {
        using var answer = await http.CreateClient(Client).PutAsJsonAsync(path, body, AsSpelled, ct);
        answer.EnsureSuccessStatusCode();
    }

    private async Task DeleteAsync(string path, CancellationToken ct)
    {
        using var answer = await http.CreateClient(Client).DeleteAsync(path, ct);
        if (answer.StatusCode != HttpStatusCode.NotFound) answer.EnsureSuccessStatusCode();
    }

    // The management has words of both spellings: apply-to, and password_hash.
    private static readonly JsonSerializerOptions AsSpelled = new();
}
