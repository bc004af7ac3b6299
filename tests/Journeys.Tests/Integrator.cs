using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using OpenReadings.Support;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace OpenReadings.Journeys;

/// <summary>Somebody who makes an application and reads its queue with a bare AMQP client.</summary>
public sealed class Integrator
{
    public sealed record Message(string? Id, string? Type, string Body, IReadOnlyBasicProperties Properties)
    {
        public JsonElement Data => JsonDocument.Parse(Body).RootElement.GetProperty("data");
        public Guid? Person => Data.TryGetProperty("user_id", out var person) ? person.GetGuid() : null;
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Integrator(RunningPlatform platform, RunningPlatform.Person owner, JsonElement application) => (Platform, Owner, ClientId, ClientSecret) =
        (platform, owner, application.GetProperty("client_id").GetGuid(), application.GetProperty("client_secret").GetString()!);

    public RunningPlatform Platform { get; }
    public RunningPlatform.Person Owner { get; }
    public Guid ClientId { get; }
    public string ClientSecret { get; }
    public JsonElement Queue { get; private set; }
    public string Name => Queue.GetProperty("queue").GetString()!;
    public string Password { get; set; } = "";
    public string Route => $"/identity/v1/me/applications/{ClientId}/queue";

    /// <summary>Its application, and a queue that the broker has.</summary>
    public static async Task<Integrator> ReadyAsync(RunningPlatform platform)
    {
        var owner = await platform.SignUpAsync();
        using var made = await owner.Http.PostAsJsonAsync("/identity/v1/me/applications", new
        {
            name = "Sleep lab", redirect_uris = new[] { "http://127.0.0.1/callback" },
            scopes = new[] { "openid", "readings:read", "readings:write", "sync:read", "offline_access" },
        }, Ct);
        var integrator = new Integrator(platform, owner, await made.Content.ReadFromJsonAsync<JsonElement>(Ct));
        using var asked = await owner.Http.PutAsync(integrator.Route, null, Ct);
        Assert.True(asked.StatusCode == HttpStatusCode.Created, await asked.Content.ReadAsStringAsync(Ct));
        integrator.Queue = await asked.Content.ReadFromJsonAsync<JsonElement>(Ct);
        integrator.Password = integrator.Queue.GetProperty("password").GetString()!;
        await PersonTests.UntilAsync(async () => (await owner.Http.GetFromJsonAsync<JsonElement>(integrator.Route, Ct)).GetProperty("is_ready").GetBoolean(), 10);
        return integrator;
    }

    /// <summary>A person lets it in: by a pairing code, which needs no browser.</summary>
    public async Task LetInAsync(RunningPlatform.Person person, params string[] scopes)
    {
        using var paired = await person.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = ClientId, scopes }, Ct);
        Assert.True(paired.StatusCode == HttpStatusCode.OK, await paired.Content.ReadAsStringAsync(Ct));
    }

    public async Task<IConnection> EnterAsync(string? vhost = null, string? password = null)
    {
        var connection = await new ConnectionFactory
        {
            HostName = Queue.GetProperty("host").GetString()!, Port = Queue.GetProperty("port").GetInt32(), VirtualHost = vhost ?? Queue.GetProperty("vhost").GetString()!,
            UserName = Queue.GetProperty("username").GetString()!, Password = password ?? Password, AutomaticRecoveryEnabled = false,
        }.CreateConnectionAsync(Ct);
        try
        {
            // The library does not wait for what the broker says to the virtual host: its first channel does.
            await using var first = await connection.CreateChannelAsync(cancellationToken: Ct);
            return connection;
        }
        catch (OperationInterruptedException e)
        {
            await connection.DisposeAsync();
            throw new BrokerUnreachableException(e);
        }
    }

    /// <summary>What a request as the administrator of the broker answers.</summary>
    public static async Task<HttpStatusCode> AskBrokerAsync(string path)
    {
        using var http = Administrator();
        return (await http.GetAsync(path, Ct)).StatusCode;
    }

    public static async Task<T> AskBrokerAsync<T>(string path)
    {
        using var http = Administrator();
        return (await http.GetFromJsonAsync<T>(path, Ct))!;
    }

    private static HttpClient Administrator()
    {
        var http = new HttpClient { BaseAddress = new Uri(new UriBuilder(TestBroker.Management) { UserName = "", Password = "" }.Uri, "/api/") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(TestBroker.Management.UserInfo))));
        return http;
    }

    public async Task<HttpClient> AsItselfAsync()
    {
        var http = Platform.Anonymous();
        using var granted = await http.PostAsync("/identity/v1/tokens", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials", ["client_id"] = $"{ClientId}", ["client_secret"] = ClientSecret,
        }), Ct);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await granted.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("access_token").GetString());
        return http;
    }

    public async Task<Reader> ReadAsync() => await Reader.OverAsync(await EnterAsync(), Name);

    /// <summary>A source with a weight, and readings of it one by one: each is an event.</summary>
    public static async Task<Guid> WeighAsync(HttpClient http, int times = 1, Guid? into = null)
    {
        var source = into ?? Guid.CreateVersion7();
        if (into is null) (await http.PutAsJsonAsync($"/readings/v1/sources/{source}", new { name = "Scale", kind = "scale", metrics = new { weight = new { unit = "kg", type = "weight" } } }, Ct)).EnsureSuccessStatusCode();
        for (var i = 0; i < times; i++)
        {
            var at = DateTimeOffset.UnixEpoch.AddMinutes(Interlocked.Increment(ref minute) + 25_000_000);
            (await http.PostAsJsonAsync($"/readings/v1/sources/{source}/readings", new { readings = new[] { new { at, values = new { weight = 71.5 } } } }, Ct)).EnsureSuccessStatusCode();
        }
        return source;
    }
    private static int minute;

    /// <summary>Reads along, acknowledging each.</summary>
    public sealed class Reader(IConnection connection, IChannel channel) : IAsyncDisposable
    {
        private readonly Channel<Message> messages = Channel.CreateUnbounded<Message>();
        private readonly TaskCompletionSource<TimeSpan> closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Stopwatch since = Stopwatch.StartNew();

        public IConnection Connection => connection;

        /// <summary>Done when the broker has closed the connection.</summary>
        public Task Closed => closed.Task;

        public static async Task<Reader> OverAsync(IConnection connection, string queue)
        {
            var channel = await connection.CreateChannelAsync(cancellationToken: Ct);
            var reader = new Reader(connection, channel);
            connection.ConnectionShutdownAsync += (_, _) => Task.FromResult(reader.closed.TrySetResult(reader.since.Elapsed));
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, delivery) =>
            {
                reader.messages.Writer.TryWrite(new(delivery.BasicProperties.MessageId, delivery.BasicProperties.Type, Encoding.UTF8.GetString(delivery.Body.Span), new BasicProperties(delivery.BasicProperties)));
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            };
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer, Ct);
            return reader;
        }

        /// <summary>All up to and with the first of which it holds; less what the catalog announces to everybody now and then.</summary>
        public async Task<IReadOnlyList<Message>> UntilAsync(Func<Message, bool> wanted)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            limit.CancelAfter(TimeSpan.FromSeconds(30));
            var seen = new List<Message>();
            do seen.Add(await messages.Reader.ReadAsync(limit.Token));
            while (!wanted(seen[^1]));
            return [.. seen.Where(message => message.Type != "series-type.defined.v1" || wanted(message))];
        }

        public async ValueTask DisposeAsync()
        {
            await channel.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
