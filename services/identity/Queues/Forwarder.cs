using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using OpenReadings.Chassis;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace OpenReadings.Identity.Queues;

/// <summary>
/// Hands each event on to the queues of the applications that its person has let in for it, unchanged but that <c>written_by</c> is emptied where it
/// was not that application, at least once and in order: one replica consumes (the others wait for it to go), a handful at a time, by the consents of
/// that moment; what is confirmed there is acknowledged here. While database or broker are away everything waits where it is.
/// </summary>
public sealed class Forwarder(QueuePlace place, Database database, ILogger<Forwarder> log) : BackgroundService
{
    public const string Queue = "identity.integrators";
    private const ushort Prefetch = 400;
    private const int AtOnce = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    // The first event goes at once. While others follow they go in handfuls: what one costs is paid once for all of it.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);
    private static readonly Meter Meter = new("OpenReadings.Identity.Queues");
    private static readonly Counter<long> Forwarded = Meter.CreateCounter<long>("events_forwarded_total");

    private sealed record Arrived(ulong Tag, IReadOnlyBasicProperties Properties, ReadOnlyMemory<byte> Body);
    private sealed record Place(int At, string Name);

    /// <param name="Person">Whose event it is.</param>
    /// <param name="Scope">What an application needs for it.</param>
    /// <param name="Writer">Who else wrote what it tells of.</param>
    /// <param name="Body">As it came.</param>
    /// <param name="Nameless">Without the writer: with whom somebody shares is nothing to applications.</param>
    private sealed record Happened(Guid Person, string Scope, Guid? Writer, ReadOnlyMemory<byte> Body, ReadOnlyMemory<byte> Nameless)
    {
        public ReadOnlyMemory<byte> For(string queue) => Writer is { } writer && Delivery.IsOf(queue, writer) ? Body : Nameless;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (place.Management is null) return;
        var pause = TimeSpan.Zero;
        while (!stoppingToken.IsCancellationRequested)
        {
            try { await RunAsync(() => pause = TimeSpan.Zero, stoppingToken); }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
            catch (Exception e)
            {
                if (pause == TimeSpan.Zero) log.LogWarning("Events for applications wait: {Reason}", e.Message);
                pause = TimeSpan.FromSeconds(Math.Clamp(pause.TotalSeconds * 2, 0.25, 10));
                await Task.Delay(pause, stoppingToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private async Task RunAsync(Action works, CancellationToken ct)
    {
        await using var platform = await ConnectAsync(place.Platform, ct);
        await using var integrators = await ConnectAsync(place.Integrators, ct);
        await using var events = await platform.CreateChannelAsync(cancellationToken: ct);
        await DeclareAsync(events, ct);
        await BindAsync(platform, database, ct);
        var waiting = Channel.CreateUnbounded<Arrived>();   // no more than what is fetched and not acknowledged
        await using var sender = await Sender.OpenAsync(integrators, why => waiting.Writer.TryComplete(why), ct);

        var consumer = new AsyncEventingBasicConsumer(events);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            // The client reuses its buffers after this returns.
            waiting.Writer.TryWrite(new(delivery.DeliveryTag, new BasicProperties(delivery.BasicProperties), delivery.Body.ToArray()));
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) => Then(() => waiting.Writer.TryComplete(new IOException("The broker ended the consumer.")));
        events.ChannelShutdownAsync += (_, why) => Then(() => waiting.Writer.TryComplete(new IOException(why.ReplyText)));
        await events.BasicQosAsync(0, Prefetch, global: false, ct);
        await events.BasicConsumeAsync(Queue, autoAck: false, consumer, ct);

        var batch = new List<Arrived>(AtOnce);
        while (await waiting.Reader.WaitToReadAsync(ct))
        {
            batch.Clear();
            while (batch.Count < AtOnce && waiting.Reader.TryRead(out var next)) batch.Add(next);
            // What is begun is ended, also when the service is told to stop.
            using var limit = new CancellationTokenSource(Patience);
            await ForwardAsync(batch, events, sender, limit.Token);
            works();
            if (batch.Count < AtOnce) await Task.Delay(Pace, ct);
        }
    }

    private async Task ForwardAsync(List<Arrived> batch, IChannel events, Sender sender, CancellationToken ct)
    {
        var (people, scopes, all, last) = (new Guid[batch.Count], new string[batch.Count], new Happened?[batch.Count], 0ul);
        for (var i = 0; i < batch.Count; i++)
        {
            if ((all[i] = Read(batch[i])) is { } read) (people[i], scopes[i], last) = (read.Person, read.Scope, batch[i].Tag);
            else
            {
                log.LogError("A message that is no event is parked in {Queue}.parked", Queue);
                await events.BasicRejectAsync(batch[i].Tag, requeue: false, ct);
                scopes[i] = "";
            }
        }
        if (last == 0) return;
        var places = await database.ReadUnownedAsync<Place>("select at, name from queues_of(@people, @scopes) order by at", new { people, scopes }, ct);
        foreach (var missing in await sender.SendAsync([.. places.Select(one => (one.Name, batch[one.At - 1].Properties, all[one.At - 1]!.For(one.Name)))], ct))
        {
            await using var db = await database.BeginUnownedAsync(ct);
            await db.ExecuteAsync("call miss_queue(@missing)", new { missing });
            await db.CommitAsync();
        }
        await events.BasicAckAsync(last, multiple: true, ct);
        foreach (var type in places.CountBy(one => batch[one.At - 1].Properties.Type ?? "")) Forwarded.Add(type.Value, new KeyValuePair<string, object?>("type", type.Key));
    }

    // Null for what is no event. Nobody's person is no id of anybody.
    private static Happened? Read(Arrived arrived)
    {
        try
        {
            using var body = JsonDocument.Parse(arrived.Body);
            var scope = Audience.Of.TryGetValue(body.RootElement.GetProperty("type").GetString()!, out var found) ? found.Scope : "";
            var data = body.RootElement.GetProperty("data");
            Guid? writer = data.TryGetProperty("written_by", out var by) && by.ValueKind == JsonValueKind.String ? by.GetGuid() : null;
            return new(data.TryGetProperty("user_id", out var person) ? person.GetGuid() : Guid.Empty, scope, writer, arrived.Body, writer is null ? arrived.Body : WithoutWriter(arrived.Body));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    private static byte[] WithoutWriter(ReadOnlyMemory<byte> body)
    {
        var happened = JsonNode.Parse(body.Span)!;
        happened["data"]!["written_by"] = null;
        return JsonSerializer.SerializeToUtf8Bytes(happened);
    }

    private static async Task DeclareAsync(IChannel channel, CancellationToken ct)
    {
        var quorum = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
        await channel.QueueDeclareAsync($"{Queue}.parked", durable: true, exclusive: false, autoDelete: false, quorum, cancellationToken: ct);
        await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>(quorum)
        {
            // Two at a time would change the order of a subject. And who forwards no more for as long as events are kept leaves nothing behind.
            ["x-single-active-consumer"] = true, ["x-expires"] = BrokerManagement.KeptForDays * 24 * 3600 * 1000, ["x-delivery-limit"] = 20,
            ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = $"{Queue}.parked", ["x-dead-letter-strategy"] = "at-least-once", ["x-overflow"] = "reject-publish",
        }, cancellationToken: ct);
    }

    /// <summary>
    /// Lets the platform's events come here while an application has a queue, and not otherwise: what nobody asked for is not carried. Fails until the
    /// services have made their exchanges.
    /// </summary>
    public static async Task BindAsync(IConnection platform, Database database, CancellationToken ct)
    {
        // The transaction is the lock under which this is asked and done.
        await using var db = await database.BeginUnownedAsync(ct);
        var isWanted = await db.ScalarAsync<bool>("select queues_wanted()");
        await using var channel = await platform.CreateChannelAsync(cancellationToken: ct);
        foreach (var (type, (exchange, _)) in Audience.Of)
        {
            if (isWanted) await channel.QueueBindAsync(Queue, exchange, type, cancellationToken: ct);
            else await channel.QueueUnbindAsync(Queue, exchange, type, cancellationToken: ct);
        }
    }

    public static Task<IConnection> ConnectAsync(Uri broker, CancellationToken ct) => new ConnectionFactory
    {
        Uri = broker, AutomaticRecoveryEnabled = false, ClientProvidedName = "identity forwarder", RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
    }.CreateConnectionAsync(ct);

    private static Task Then(Action action)
    {
        action();
        return Task.CompletedTask;
    }

    /// <summary>Publishes into queues by their names and waits for the broker to have all of it.</summary>
    private sealed class Sender(IChannel channel) : IAsyncDisposable
    {
        private Confirms batch = new(0, 0);
        private HashSet<string> returned = [];

        public static async Task<Sender> OpenAsync(IConnection connection, Action<Exception> lost, CancellationToken ct)
        {
            var channel = await connection.CreateChannelAsync(new(true, publisherConfirmationTrackingEnabled: false), ct);
            var sender = new Sender(channel);
            channel.BasicAcksAsync += (_, ack) => Then(() => sender.batch.Confirm(ack.DeliveryTag, ack.Multiple));
            channel.BasicNacksAsync += (_, _) => Then(() => sender.batch.Fail(new EventRefusedException("The broker refused an event for an application.")));
            channel.BasicReturnAsync += (_, back) => Then(() => sender.returned.Add(back.RoutingKey));
            channel.ChannelShutdownAsync += (_, why) => Then(() =>
            {
                var broken = new IOException($"The broker closed the channel to applications: {why.ReplyText}");
                sender.batch.Fail(broken);
                lost(broken);
            });
            return sender;
        }

        /// <summary>Which of the queues are not there.</summary>
        public async Task<IReadOnlyCollection<string>> SendAsync(IReadOnlyList<(string Queue, IReadOnlyBasicProperties Properties, ReadOnlyMemory<byte> Body)> messages, CancellationToken ct)
        {
            if (messages.Count == 0) return [];
            returned = [];
            var current = batch = new Confirms(await channel.GetNextPublishSequenceNumberAsync(ct), messages.Count);
            foreach (var (queue, was, body) in messages)
            {
                var properties = new BasicProperties
                {
                    ContentType = was.ContentType, DeliveryMode = DeliveryModes.Persistent, MessageId = was.MessageId, Type = was.Type,
                    Headers = was.Headers?.Where(header => header.Key == "traceparent").ToDictionary(),
                };
                await channel.BasicPublishAsync("", queue, mandatory: true, properties, body, ct);
            }
            await current.All.WaitAsync(ct);
            return returned;
        }

        public ValueTask DisposeAsync() => channel.DisposeAsync();
    }
}
