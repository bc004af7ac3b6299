using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace OpenReadings.Chassis;

/// <summary>The broker is there and will not take this event.</summary>
public sealed class EventRefusedException(string reason) : Exception(reason);

/// <summary>
/// Publishes batches to the service's topic exchange as CloudEvents 1.0 (structured JSON), everything sent before
/// anything is awaited, and returns when the broker has confirmed all of it.
/// </summary>
public sealed class EventSender(string service, Uri broker, ILogger<EventSender> log) : IAsyncDisposable
{
    public const string SourceName = "OpenReadings.Events";
    internal static readonly ActivitySource Source = new(SourceName);
    private static readonly Meter Meter = new(SourceName);
    private static readonly Counter<long> Published = Meter.CreateCounter<long>("events_published_total");
    private static readonly Counter<long> Unrouted = Meter.CreateCounter<long>("events_unrouted_total");
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly string exchange = $"{service}.events";
    private readonly HashSet<string> saidUnrouted = [];
    private IConnection? connection;
    private IChannel? channel;
    private Confirms batch = new(0, 0);

    /// <summary>Connects and declares the exchange, so that consumers can bind before the first event.</summary>
    public async Task ConnectAsync(CancellationToken ct)
    {
        if (channel is { IsOpen: true }) return;
        await DisposeAsync();
        var factory = new ConnectionFactory
        {
            Uri = broker, AutomaticRecoveryEnabled = false, ClientProvidedName = $"{service} relay",
            RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
        };
        connection = await factory.CreateConnectionAsync(ct);
        channel = await connection.CreateChannelAsync(new(true, publisherConfirmationTrackingEnabled: false), ct);
        channel.BasicAcksAsync += (_, ack) => Then(() => batch.Confirm(ack.DeliveryTag, ack.Multiple));
        channel.BasicNacksAsync += (_, _) => Then(() => batch.Fail(new EventRefusedException("The broker refused an event.")));
        channel.BasicReturnAsync += (_, back) => Then(() => CountUnrouted(back.RoutingKey));
        channel.ChannelShutdownAsync += (_, why) => Then(() => batch.Fail(
            why.Initiator == ShutdownInitiator.Peer && why.ReplyCode is >= 311 and < 320 or >= 400 and < 500
                ? new EventRefusedException(why.ReplyText)
                : new IOException($"The broker closed the channel: {why.ReplyText}")));
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, cancellationToken: ct);
    }

    public async Task SendAsync(IReadOnlyList<OutboxRow> rows, CancellationToken ct)
    {
        try
        {
            await ConnectAsync(ct);
            var current = batch = new Confirms(await channel!.GetNextPublishSequenceNumberAsync(ct), rows.Count);
            foreach (var row in rows) await PublishAsync(row, ct);
            await current.All.WaitAsync(Limit, ct);
            foreach (var type in rows.CountBy(row => row.EventType)) Published.Add(type.Value, new KeyValuePair<string, object?>("type", type.Key));
        }
        catch
        {
            await DisposeAsync();                           // begin again with a new connection
            throw;
        }
    }

    private async Task PublishAsync(OutboxRow row, CancellationToken ct)
    {
        ActivityContext.TryParse(row.Traceparent, null, isRemote: true, out var parent);
        using var activity = parent == default
            ? null
            : Source.StartActivity($"send {row.EventType}", ActivityKind.Producer, parent);
        var traceparent = activity?.Id ?? row.Traceparent;
        var properties = new BasicProperties
        {
            ContentType = "application/cloudevents+json", DeliveryMode = DeliveryModes.Persistent,
            MessageId = row.Id.ToString(), Type = row.EventType,
            Headers = traceparent is null ? null : new Dictionary<string, object?> { ["traceparent"] = traceparent },
        };
        await channel!.BasicPublishAsync(exchange, row.EventType, mandatory: true, properties, Body(row, service, traceparent), ct);
    }

    internal static ReadOnlyMemory<byte> Body(OutboxRow row, string service, string? traceparent)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("specversion", "1.0");
        json.WriteString("id", row.Id);
        json.WriteString("source", $"/{service}");
        json.WriteString("type", row.EventType);
        json.WriteString("subject", row.Subject);
        json.WriteString("time", row.OccurredAt.UtcDateTime);
        json.WriteString("datacontenttype", "application/json");
        if (traceparent is not null) json.WriteString("traceparent", traceparent);
        json.WritePropertyName("data");
        json.WriteRawValue(row.Data, skipInputValidation: true);      // the database has validated it
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private void CountUnrouted(string type)
    {
        Unrouted.Add(1, new KeyValuePair<string, object?>("type", type));
        if (saidUnrouted.Add(type)) log.LogInformation("Nobody is bound to {Type} on {Exchange}: such events are dropped", type, exchange);
    }

    private static Task Then(Action action)
    {
        action();
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        var (oldChannel, oldConnection) = (channel, connection);
        (channel, connection) = (null, null);
        try
        {
            if (oldChannel is not null) await oldChannel.DisposeAsync();
            if (oldConnection is not null) await oldConnection.DisposeAsync();
        }
        catch (Exception e)
        {
            log.LogDebug(e, "A broken connection did not close cleanly");
        }
    }
}
