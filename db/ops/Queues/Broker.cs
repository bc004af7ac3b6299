using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace OpenReadings.Ops.Queues;

/// <summary>A queue, and what was given up beside it.</summary>
internal sealed record QueueDepth(string Name, uint Messages, uint Consumers, uint Parked)
{
    /// <summary>Messages of a waiting place go back to their queue by time, not to a consumer.</summary>
    [JsonIgnore]
    public bool IsForsaken => Messages > 0 && Consumers == 0 && !Name.EndsWith(Broker.LaterSuffix, StringComparison.Ordinal);
}

/// <summary>The broker as an operator sees it. One channel at a time: a queue that is not there closes it.</summary>
internal sealed class Broker : IAsyncDisposable
{
    public const string ParkedSuffix = ".parked", LaterSuffix = ".later";

    /// <summary>The queues of our own consumers, for a broker without its management; a test holds them against the services.</summary>
    public static readonly IReadOnlyList<string> Known = ["identity.erased-readings", "identity.erased-sync", "identity.integrators", "readings.departures", "readings.series-types", "sync.departures"];

    private readonly Uri address;
    private readonly IConnection connection;

    private Broker(Uri address, IConnection connection) => (this.address, this.connection) = (address, connection);

    /// <summary>Null when no broker is told.</summary>
    public static Uri? Address => Settings.Find("Broker") switch
    {
        null => null,
        var text when Uri.TryCreate(text, UriKind.Absolute, out var address) => address,
        _ => throw new OpsException(Exit.Usage, "Broker is no address: amqp://user:password@host:5672/openreadings."),
    };

    /// <summary>The broker that is told.</summary>
    public static Task<Broker> ConnectAsync(CancellationToken ct) =>
        ConnectAsync(Address ?? throw new OpsException(
            Exit.Usage, "Set Broker in the environment, or as a file in SECRETS_DIRECTORY."), ct);

    public static async Task<Broker> ConnectAsync(Uri address, CancellationToken ct)
    {
        var factory = new ConnectionFactory
        {
            Uri = address, AutomaticRecoveryEnabled = false, ClientProvidedName = "ops", RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
            ContinuationTimeout = TimeSpan.FromSeconds(10),
        };
        try
        {
            return new(address, await factory.CreateConnectionAsync(ct));
        }
        catch (BrokerUnreachableException e)
        {
            throw new OpsException(
                Exit.Unreachable, $"The broker at {address.Host}:{address.Port} cannot be reached: {(e.InnerException ?? e).Message}", e);
        }
    }

    public Task<IChannel> OpenAsync(CancellationToken ct) => connection.CreateChannelAsync(new(true, true), ct);

    /// <summary>Counts come over AMQP, exact and at once; the management's are seconds old, and are asked for names only.</summary>
    public async Task<IReadOnlyList<QueueDepth>> ListAsync(CancellationToken ct)
    {
        var names = (await NamesAsync(ct) ?? Known).Concat(Known).Distinct().Order(StringComparer.Ordinal);
        List<QueueDepth> queues = [];
        foreach (var name in names.Where(name => !name.EndsWith(ParkedSuffix, StringComparison.Ordinal)))
        {
            if (await FindAsync(name, ct) is not { } queue) continue;
            var parked = await FindAsync(name + ParkedSuffix, ct);
            queues.Add(new(name, queue.MessageCount, queue.ConsumerCount, parked?.MessageCount ?? 0));
        }
        return queues;
    }

    /// <summary>Null when there is no such queue, or when it is another connection's own.</summary>
    public async Task<QueueDeclareOk?> FindAsync(string queue, CancellationToken ct)
    {
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: ct);
            return await channel.QueueDeclarePassiveAsync(queue, ct);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode is 404 or 405)
        {
            return null;
        }
        catch (Exception e) when (e is RabbitMQClientException or IOException or TimeoutException)
        {
            throw new OpsException(Exit.Unreachable, $"The broker at {address.Host}:{address.Port} went away: {e.Message}", e);
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private sealed record ManagedQueue(string Name);

    // In every environment of ours the management listens 10000 above AMQP.
    private async Task<IReadOnlyList<string>?> NamesAsync(CancellationToken ct)
    {
        try
        {
            using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
                "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(address.UserInfo))));
            var management = Settings.Find("BrokerManagement") ?? $"http://{address.Host}:{address.Port + 10_000}";
            var vhost = Uri.EscapeDataString(Uri.UnescapeDataString(address.AbsolutePath is { Length: > 1 } path ? path[1..] : "/"));
            var queues = await http.GetFromJsonAsync<List<ManagedQueue>>(new Uri($"{management}/api/queues/{vhost}?columns=name"), Cli.Json, ct);
            return [.. queues!.Select(queue => queue.Name)];
        }
        catch (Exception e) when (e is HttpRequestException or UriFormatException or JsonException or TaskCanceledException
            && !ct.IsCancellationRequested)
        {
            return null;
        }
    }
}
