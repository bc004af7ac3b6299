using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using OpenReadings.Support;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace OpenReadings.PlatformTests;

/// <summary>The rights that deploy/local/secrets.sh gives, as a real broker enforces them.</summary>
public sealed class BrokerRightsTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("openreadings").FullName, vhost = $"t{Guid.NewGuid():N}"[..13];

    /// <summary>Where the queues of applications are.</summary>
    private string Integrators => vhost + "-i";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var (exit, said) = await Shell.RunAsync(". deploy/local/common.sh; . deploy/local/secrets.sh; make_secrets \"$1\" a:1 b:1", null, folder);
        Assert.True(exit == 0, said);
        // Into a virtual host of the test's own, and without the administrator: the broker here has one.
        var definitions = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "broker.json"), Ct))!;
        var given = new JsonObject
        {
            ["vhosts"] = new JsonArray(new JsonObject { ["name"] = vhost }, new JsonObject { ["name"] = Integrators }),
            ["users"] = new JsonArray([.. definitions["users"]!.AsArray().Where(user => (string)user!["name"]! != "admin").Select(user => user!.DeepClone())]),
            ["permissions"] = new JsonArray([.. definitions["permissions"]!.AsArray().Where(right => (string)right!["user"]! != "admin").Select(right =>
            {
                var own = right!.DeepClone();
                own["vhost"] = (string)own["vhost"]! == "integrators" ? Integrators : vhost;
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

    [Fact]
    public async Task Whoever_makes_queues_for_applications_reads_none_and_identity_fills_them_and_reads_none()
    {
        await using var provisioner = await EnterAsync("provisioner", Integrators);
        await MayAsync(provisioner, channel => channel.QueueDeclareAsync("app.one", durable: true, exclusive: false, autoDelete: false));
        await MayNotAsync(provisioner, channel => channel.BasicGetAsync("app.one", autoAck: true));
        await MayNotAsync(provisioner, channel => SendAsync(channel, "amq.topic"));
        await MayNotAsync(provisioner, channel => channel.QueueDeclareAsync("else", durable: true, exclusive: false, autoDelete: false));
        await MayNotEnterAsync("provisioner", vhost);

        await using var identity = await EnterAsync("identity", Integrators);
        await MayAsync(identity, async channel => await channel.BasicPublishAsync("", "app.one", mandatory: true, "{}"u8.ToArray(), Ct));
        await MayNotAsync(identity, channel => channel.BasicGetAsync("app.one", autoAck: true));
        await MayNotAsync(identity, channel => channel.QueueDeleteAsync("app.one"));
        await MayNotAsync(identity, channel => SendAsync(channel, "amq.topic"));
        foreach (var user in new[] { "readings", "catalog", "sync", "watcher" }) await MayNotEnterAsync(user, Integrators);
    }

    private async Task<IConnection> EnterAsync(string user, string? into = null) => await new ConnectionFactory
    {
        HostName = TestServers.Broker.Host, Port = TestServers.Broker.Port, VirtualHost = into ?? vhost, UserName = user,
        Password = await File.ReadAllTextAsync(Path.Combine(folder, "passwords", $"broker_{user}"), Ct),
    }.CreateConnectionAsync(Ct);

    // The library does not wait for what the broker says to the virtual host: its first channel does.
    private async Task MayNotEnterAsync(string user, string into)
    {
        await using var connection = await EnterAsync(user, into);
        await Assert.ThrowsAnyAsync<OperationInterruptedException>(() => connection.CreateChannelAsync(cancellationToken: Ct));
        Assert.Equal(530, (int?)connection.CloseReason?.ReplyCode);
    }

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
