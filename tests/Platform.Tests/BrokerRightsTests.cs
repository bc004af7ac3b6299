using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using OpenReadings.Support;
using RabbitMQ.Client;

namespace OpenReadings.PlatformTests;

/// <summary>The rights that deploy/local/secrets.sh gives, as a real broker enforces them.</summary>
public sealed class BrokerRightsTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("openreadings").FullName, vhost = $"t{Guid.NewGuid():N}"[..13];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var (exit, said) = await Shell.RunAsync(". deploy/local/common.sh; . deploy/local/secrets.sh; make_secrets \"$1\" a:1 b:1", null, folder);
        Assert.True(exit == 0, said);
        // Into a virtual host of the test's own, and without the administrator: the broker here has one.
        var definitions = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "broker.json"), Ct))!;
        var given = new JsonObject
        {
            ["vhosts"] = new JsonArray(new JsonObject { ["name"] = vhost }),
            ["users"] = new JsonArray([.. definitions["users"]!.AsArray().Where(user => (string)user!["name"]! != "admin").Select(user => user!.DeepClone())]),
            ["permissions"] = new JsonArray([.. definitions["permissions"]!.AsArray().Where(right => (string)right!["user"]! != "admin").Select(right =>
            {
                var own = right!.DeepClone();
                own["vhost"] = vhost;
                return own;
            })]),
        };
        var broker = TestServers.Broker;
        using var http = new HttpClient { BaseAddress = new Uri($"http://{broker.Host}:{broker.Port + 10000}") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(broker.UserInfo))));
        using var taken = await http.PostAsJsonAsync("/api/definitions", given, Ct);
        Assert.True(taken.IsSuccessStatusCode, await taken.Content.ReadAsStringAsync(Ct));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_service_writes_to_what_bears_its_name_and_to_nothing_else()
    {
        await using var identity = await EnterAsync("identity");
        await MayAsync(identity, channel => channel.ExchangeDeclareAsync("identity.events", ExchangeType.Topic, durable: true));
        await MayAsync(identity, channel => channel.QueueDeclareAsync("identity.inbox", durable: true, exclusive: false, autoDelete: false));
        await MayAsync(identity, channel => SendAsync(channel, "identity.events"));

        await using var readings = await EnterAsync("readings");
        await MayAsync(readings, channel => channel.ExchangeDeclareAsync("readings.events", ExchangeType.Topic, durable: true));
        await MayAsync(readings, channel => channel.QueueDeclareAsync("readings.inbox", durable: true, exclusive: false, autoDelete: false));
        // It listens to everybody's events, which is what they are for.
        await MayAsync(readings, channel => channel.QueueBindAsync("readings.inbox", "identity.events", "#"));

        await MayNotAsync(readings, channel => SendAsync(channel, "identity.events"));
        await MayNotAsync(readings, channel => channel.BasicGetAsync("identity.inbox", autoAck: true));
        await MayNotAsync(readings, channel => channel.QueuePurgeAsync("identity.inbox"));
        await MayNotAsync(readings, channel => channel.QueueDeleteAsync("identity.inbox"));
        await MayNotAsync(readings, channel => channel.ExchangeDeleteAsync("identity.events"));
        await MayNotAsync(readings, channel => channel.QueueDeclareAsync("identity.more", durable: true, exclusive: false, autoDelete: false));
        await MayNotAsync(readings, channel => channel.QueueBindAsync("identity.inbox", "readings.events", "#"));
        await MayNotAsync(readings, channel => SendAsync(channel, "amq.topic"));
    }

    [Fact]
    public async Task Who_watches_reads_along_and_can_say_nothing()
    {
        await using var identity = await EnterAsync("identity");
        await MayAsync(identity, channel => channel.ExchangeDeclareAsync("identity.events", ExchangeType.Topic, durable: true));
        await using var watcher = await EnterAsync("watcher");
        await MayAsync(watcher, channel => channel.QueueDeclareAsync("watch.me", durable: false, exclusive: false, autoDelete: true));
        await MayAsync(watcher, channel => channel.QueueBindAsync("watch.me", "identity.events", "#"));
        await MayNotAsync(watcher, channel => SendAsync(channel, "identity.events"));
        await MayNotAsync(watcher, channel => channel.QueueDeclareAsync("identity.more", durable: true, exclusive: false, autoDelete: false));
    }

    private async Task<IConnection> EnterAsync(string user) => await new ConnectionFactory
    {
        HostName = TestServers.Broker.Host, Port = TestServers.Broker.Port, VirtualHost = vhost, UserName = user,
        Password = await File.ReadAllTextAsync(Path.Combine(folder, "passwords", $"broker_{user}"), Ct),
    }.CreateConnectionAsync(Ct);

    // Confirmed, or the broker's no would come after the test has gone on.
    private static async Task SendAsync(IChannel channel, string exchange) => await channel.BasicPublishAsync(exchange, "x", "{}"u8.ToArray(), Ct);

    private static async Task MayAsync(IConnection connection, Func<IChannel, Task> what)
    {
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
        await what(channel);
    }

    // A no closes the channel with 403.
    private static async Task MayNotAsync(IConnection connection, Func<IChannel, Task> what)
    {
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
        await Assert.ThrowsAnyAsync<Exception>(() => what(channel));
        Assert.Equal(403, (int?)channel.CloseReason?.ReplyCode);
    }
}
