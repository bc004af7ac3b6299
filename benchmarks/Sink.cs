using System.Diagnostics;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace OpenReadings.Benchmarks;

/// <summary>
/// Somebody's durable queue, bound to all events of readings: the broker has real work with them. Gone when disposed.
/// </summary>
internal sealed class Sink : IAsyncDisposable
{
    public const string Exchange = "readings.events";
    private readonly IConnection connection;
    private readonly string queue;

    private Sink(IConnection connection, IChannel channel, string queue) => (this.connection, Channel, this.queue) = (connection, channel, queue);

    public IChannel Channel { get; }

    public static async Task<Sink> BindAsync(Platform platform)
    {
        var connection = await new ConnectionFactory { Uri = platform.Broker }.CreateConnectionAsync();
        var channel = await connection.CreateChannelAsync();
        var queue = $"bench.{Guid.NewGuid():N}";
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await channel.QueueBindAsync(queue, Exchange, "#");
        return new Sink(connection, channel, queue);
    }

    /// <summary>Takes everything out, and fails when events are missing: fast is easy for who sends nothing.</summary>
    public async Task EmptyAsync(long atLeast)
    {
        var (taken, started) = (0L, Stopwatch.GetTimestamp());
        while (taken < atLeast)
        {
            taken += await Channel.QueuePurgeAsync(queue);
            if (taken < atLeast) await Task.Delay(20);
            if (Stopwatch.GetElapsedTime(started).TotalSeconds > 10)
                throw new MeasurementFailedException($"{taken} of {atLeast} events arrived at the broker.");
        }
    }

    /// <summary>Reads along; the handler is called with the moment of arrival and the body.</summary>
    public async Task ConsumeAsync(Action<long, ReadOnlyMemory<byte>> arrived)
    {
        var consumer = new AsyncEventingBasicConsumer(Channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            arrived(Stopwatch.GetTimestamp(), delivery.Body);
            return Task.CompletedTask;
        };
        await Channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    }

    public async ValueTask DisposeAsync()
    {
        await Channel.QueueDeleteAsync(queue);
        await Channel.DisposeAsync();
        await connection.DisposeAsync();
    }
}
