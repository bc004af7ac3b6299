using System.Diagnostics.CodeAnalysis;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MassTransit;
using MassTransit.Middleware;
using MassTransit.RabbitMqTransport;
using MassTransit.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using RabbitMQ.Client;

namespace OpenReadings.Chassis;

/// <summary>
/// MassTransit behind our seam: it consumes, retries and drains; queues, bindings and the wire format are ours.
/// Values and reasons: docs/events.md and docs/decisions.
/// </summary>
internal static class Bus
{
    public static void AddSubscriptions(this IServiceCollection services, Uri broker, Subscription[] all)
    {
        if (all.Length == 0) return;
        foreach (var to in all) to.Register(services);
        // StartTimeout stays unset: when it passes, the bus gives up for good, and the service would never consume again.
        services.Configure<MassTransitHostOptions>(options =>
        {
            options.WaitUntilStarted = false;
            options.StopTimeout = TimeSpan.FromSeconds(25);
        });
        services.AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();                       // on by default, and it reports to the vendor
            x.UsingRabbitMq((context, bus) =>
            {
                bus.Host(broker, _ => { });
                bus.ClearSerialization();
                bus.AddSerializer(new CloudEvents());
                bus.AddDeserializer(new CloudEvents(), isDefault: true);
                foreach (var to in all) bus.ReceiveEndpoint(to.Queue, endpoint => Configure(endpoint, to, context));
            });
        });
    }

    private static void Configure(IRabbitMqReceiveEndpointConfigurator endpoint, Subscription to, IBusRegistrationContext context)
    {
        endpoint.ConfigureConsumeTopology = endpoint.BindQueue = endpoint.PublishFaults = false;
        endpoint.PrefetchCount = 64;
        // Each has a connection, and what a burst opens is shared with requests while its caches are cold: no more than there are cores for.
        endpoint.ConcurrentMessageLimit = Math.Clamp(2 * Environment.ProcessorCount, 4, 16);
        endpoint.SetQuorumQueue();
        foreach (var (key, value) in Declare.Arguments(to.Queue + ".parked", deliveryLimit: 20)) endpoint.SetQueueArgument(key, value);
        endpoint.ConfigureChannel(pipe => pipe.UseFilter(new Declare(to)));
        endpoint.ConfigureError(pipe => pipe.UseFilter(new Park(to.Queue, context.GetRequiredService<ILogger<Park>>())));
        endpoint.DiscardSkippedMessages();
        // One lane per subject keeps the order of a subject while others go on.
        endpoint.UsePartitioner<Incoming>(new Partitioner(16, new Murmur3UnsafeHashGenerator()),
            message => LaneOf(message.Message.Received.Subject));
        endpoint.UseMessageRetry(retry =>
        {
            retry.Ignore<SerializationException>();
            retry.Ignore<JsonException>();
            retry.Intervals(100, 500);
        });
        endpoint.Handler<Incoming>(message => to.DispatchAsync(context, message.Message, message.CancellationToken));
    }

    private static Guid LaneOf(string? subject) => new(SHA256.HashData(Encoding.UTF8.GetBytes(subject ?? "")).AsSpan(0, 16));

    /// <summary>Makes the queue, its waiting place and its parking place before anything is consumed, and binds it.</summary>
    private sealed class Declare(Subscription to) : IFilter<ChannelContext>
    {
        public static Dictionary<string, object?> Arguments(string deadLetterTo, int? deliveryLimit = null)
        {
            var arguments = new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = deadLetterTo,
                ["x-dead-letter-strategy"] = "at-least-once", ["x-overflow"] = "reject-publish",
            };
            if (deliveryLimit is { } limit) arguments["x-delivery-limit"] = limit;
            return arguments;
        }

        public async Task Send(ChannelContext context, IPipe<ChannelContext> next)
        {
            var channel = context.Channel;
            var ct = context.CancellationToken;
            await DeclareAsync(to.Queue + ".parked", []);
            await DeclareAsync(to.Queue + ".later", Arguments(to.Queue), timeToLive: 30_000);
            await DeclareAsync(to.Queue, Arguments(to.Queue + ".parked", deliveryLimit: 20));
            // Fails until the producer has made its exchange, and MassTransit tries again: start order does not matter.
            foreach (var type in to.Types) await channel.QueueBindAsync(to.Queue, to.Exchange, type, cancellationToken: ct);
            await next.Send(context);

            Task DeclareAsync(string queue, Dictionary<string, object?> arguments, int? timeToLive = null)
            {
                arguments["x-queue-type"] = "quorum";
                if (timeToLive is { } limit) arguments["x-message-ttl"] = limit;
                return channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: ct);
            }
        }

        public void Probe(ProbeContext context) { }
    }

    /// <summary>After the last attempt in place: wait and come again, or be parked for an operator.</summary>
    internal sealed class Park(string queue, ILogger<Park> log) : IFilter<ExceptionReceiveContext>
    {
        private const int Rounds = 5;

        public async Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next)
        {
            var causes = Causes(context.Exception).ToList();
            var was = context.GetPayload<RabbitMqBasicConsumeContext>().Properties;
            var headers = (was.Headers ?? new Dictionary<string, object?>())
                .Where(header => header.Key is "traceparent" or "x-round").ToDictionary();
            var isOutage = causes.Any(e => e is NpgsqlException { IsTransient: true } or TimeoutException);   // not the event's fault
            var round = (headers.GetValueOrDefault("x-round") as int? ?? 0) + (isOutage ? 0 : 1);
            var parked = round > Rounds || causes.Any(e => e is SerializationException or JsonException);
            headers["x-round"] = round;
            headers["x-error"] = causes[0].GetType().Name;   // the text may quote a person's data
            await context.GetPayload<ChannelContext>().BasicPublishAsync("", queue + (parked ? ".parked" : ".later"), mandatory: true,
                new BasicProperties(was) { Headers = headers, Persistent = true }, context.GetBody(), awaitAck: true);
            log.Log(parked ? LogLevel.Error : LogLevel.Warning, "Event {Id} on {Queue} is {Where}: {Error}",
                was.MessageId, queue, parked ? "parked" : "put off", causes[0].GetType().Name);
        }

        public void Probe(ProbeContext context) { }

        private static IEnumerable<Exception> Causes(Exception? outermost)
        {
            for (var error = outermost; error is not null; error = error.InnerException) yield return error;
        }
    }

    /// <summary>Reads CloudEvents, whatever the content type says. Everything is parsed here: later would mean retries.</summary>
    private sealed class CloudEvents : ISerializerFactory, IMessageSerializer, IMessageDeserializer
    {
        public System.Net.Mime.ContentType ContentType { get; } = new("application/cloudevents+json");
        public IMessageSerializer CreateSerializer() => this;
        public IMessageDeserializer CreateDeserializer() => this;
        public MessageBody GetMessageBody<T>(SendContext<T> context) where T : class => throw new NotSupportedException("The relay publishes.");
        public MessageBody GetMessageBody(string text) => new StringMessageBody(text);
        public void Probe(ProbeContext context) { }

        public ConsumeContext Deserialize(ReceiveContext receiveContext) =>
            new BodyConsumeContext(receiveContext, Deserialize(receiveContext.Body, receiveContext.TransportHeaders));

        public SerializerContext Deserialize(MessageBody body, MassTransit.Headers headers, Uri? destinationAddress = null)
        {
            try
            {
                var root = JsonDocument.Parse(body.GetBytes()).RootElement;
                if (root.GetProperty("specversion").GetString() != "1.0") throw new SerializationException("Not CloudEvents 1.0.");
                var received = new Received(
                    root.GetProperty("id").GetGuid(), root.GetProperty("type").GetString()!, Text("subject"),
                    root.TryGetProperty("time", out var time) ? time.GetDateTimeOffset() : DateTimeOffset.UtcNow,
                    headers.Get<string>("traceparent") ?? Text("traceparent"));
                return new Context(new Incoming(received, root.GetProperty("data")), this, ContentType);

                string? Text(string name) => root.TryGetProperty(name, out var value) ? value.GetString() : null;
            }
            catch (Exception e) when (e is not SerializationException)
            {
                throw new SerializationException("Not a CloudEvent.", e);
            }
        }

        private sealed class Context(Incoming message, CloudEvents serializer, System.Net.Mime.ContentType contentType)
            : SystemTextJsonRawSerializerContext(
                SystemTextJsonMessageSerializer.Instance, Json.Options, contentType, MessageContextOf(message), [], RawSerializerOptions.All,
                JsonDocument.Parse("{}").RootElement)
        {
            public override bool IsSupportedMessageType<T>() => typeof(T) == typeof(Incoming);
            public override bool IsSupportedMessageType(Type messageType) => messageType == typeof(Incoming);

            public override bool TryGetMessage<T>([NotNullWhen(true)] out T? result) where T : class
            {
                result = message as T;
                return result is not null;
            }

            public override bool TryGetMessage(Type messageType, [NotNullWhen(true)] out object? result)
            {
                result = messageType == typeof(Incoming) ? message : null;
                return result is not null;
            }

            public override IMessageSerializer GetMessageSerializer() => serializer;

            private static EnvelopeMessageContext MessageContextOf(Incoming message) =>
                new(new JsonMessageEnvelope { MessageId = message.Received.Id.ToString() }, SystemTextJsonMessageSerializer.Instance);
        }
    }
}
