using System.Diagnostics;
using RabbitMQ.Client;

namespace OpenReadings.Benchmarks;

/// <summary>
/// The limit that the relay is held against: RabbitMQ.Client alone, persistent messages, batches of 200, each batch confirmed
/// before the next. The library's own tracking of confirms is slower and not used.
/// </summary>
internal sealed class RawPublisher : IAsyncDisposable
{
    private const int BatchSize = 200;
    private readonly IConnection connection;
    private readonly IChannel channel;
    private readonly Lock gate = new();
    private readonly bool[] isConfirmed = new bool[BatchSize];
    private TaskCompletionSource confirmed = new();
    private ulong first;
    private int open;

    private RawPublisher(IConnection connection, IChannel channel)
    {
        (this.connection, this.channel) = (connection, channel);
        channel.BasicAcksAsync += (_, ack) =>
        {
            Confirm(ack.DeliveryTag, ack.Multiple);
            return Task.CompletedTask;
        };
    }

    public static async Task<RawPublisher> ConnectAsync(Platform platform)
    {
        var connection = await new ConnectionFactory { Uri = platform.Broker }.CreateConnectionAsync();
        return new RawPublisher(connection, await connection.CreateChannelAsync(new(true, publisherConfirmationTrackingEnabled: false)));
    }

    /// <summary>The seconds until the broker has confirmed all of them.</summary>
    public async Task<double> SendAsync(byte[] body, int count)
    {
        var properties = new BasicProperties
        {
            ContentType = "application/cloudevents+json", DeliveryMode = DeliveryModes.Persistent, Type = "readings.recorded.v1",
            MessageId = Guid.NewGuid().ToString(),
            Headers = new Dictionary<string, object?> { ["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
        };
        var started = Stopwatch.GetTimestamp();
        for (var sent = 0; sent < count; sent += BatchSize)
        {
            first = await channel.GetNextPublishSequenceNumberAsync();
            open = BatchSize;
            Array.Clear(isConfirmed);
            confirmed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            for (var i = 0; i < BatchSize; i++)
                await channel.BasicPublishAsync(Sink.Exchange, "readings.recorded.v1", mandatory: true, properties, body);
            await confirmed.Task.WaitAsync(TimeSpan.FromSeconds(10));
        }
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private void Confirm(ulong tag, bool multiple)
    {
        lock (gate)
        {
            var last = (int)(tag - first);
            for (var i = multiple ? 0 : last; i <= last; i++)
            {
                if (isConfirmed[i]) continue;
                isConfirmed[i] = true;
                if (--open == 0) confirmed.TrySetResult();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await channel.DisposeAsync();
        await connection.DisposeAsync();
    }
}
