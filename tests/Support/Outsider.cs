using System.Text;
using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace OpenReadings.Support;

/// <summary>A program of somebody else's with a bare AMQP client, which knows nothing of MassTransit or of our code.</summary>
public sealed class Outsider : IAsyncDisposable
{
    public sealed record Message(string RoutingKey, IReadOnlyBasicProperties Properties, string Body, DateTimeOffset ReceivedAt);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Channel<Message> messages = Channel.CreateUnbounded<Message>();
    private readonly IConnection connection;
    private readonly IChannel channel;

    private Outsider(IConnection connection, IChannel channel) => (this.connection, this.channel) = (connection, channel);

    /// <summary>Binds a queue of its own to everything on the exchanges and reads along.</summary>
    public static async Task<Outsider> ConnectAsync(Uri broker, params string[] exchanges)
    {
        var connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        var channel = await connection.CreateChannelAsync();
        var outsider = new Outsider(connection, channel);
        var queue = (await channel.QueueDeclareAsync($"watch.{Guid.NewGuid():N}", durable: false, exclusive: true, autoDelete: true)).QueueName;
        foreach (var exchange in exchanges)
        {
            await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true);
            await channel.QueueBindAsync(queue, exchange, "#");
        }
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            // The client reuses its buffers after this returns.
            outsider.messages.Writer.TryWrite(new Message(delivery.RoutingKey, new BasicProperties(delivery.BasicProperties),
                Encoding.UTF8.GetString(delivery.Body.Span), DateTimeOffset.UtcNow));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
        return outsider;
    }

    /// <summary>The next message of which the predicate holds; the others are passed over. Fails after 30 s.</summary>
    public async Task<Message> NextAsync(Func<Message, bool> wanted)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            var message = await messages.Reader.ReadAsync(limit.Token);
            if (wanted(message)) return message;
        }
    }

    public async Task SendToAsync(string queue, string body, string? messageId = null) => await channel.BasicPublishAsync(
        "", queue, mandatory: true, new BasicProperties { MessageId = messageId }, Encoding.UTF8.GetBytes(body));

    public async Task<BasicGetResult?> GetAsync(string queue) => await channel.BasicGetAsync(queue, autoAck: true);

    public async ValueTask DisposeAsync()
    {
        await channel.DisposeAsync();
        await connection.DisposeAsync();
    }
}
