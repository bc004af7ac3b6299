using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace OpenReadings.Ops.Queues;

/// <summary>
/// The dead letters of one queue. Looking takes each message out and puts a copy back at the end, confirmed before the
/// original is let go: to return messages instead would count as a failed delivery, and from the twentieth on RabbitMQ 4
/// throws such a message away. A crash leaves a message twice, and consumers know what they have seen.
/// </summary>
internal sealed class ParkedMessages(Broker broker, string queue) : IParkingPlace
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public async Task<IReadOnlyList<(Parked Message, Fate Fate)>> WalkAsync(Func<Parked, Fate> decide, CancellationToken ct)
    {
        var parked = queue + Broker.ParkedSuffix;
        var count = (await broker.FindAsync(parked, ct) ?? throw new OpsException(
            Exit.Refused, $"There is no queue {parked}.")).MessageCount;
        List<(Parked, Fate)> walked = [];
        await using var channel = await broker.OpenAsync(ct);
        try
        {
            for (; count > 0 && await channel.BasicGetAsync(parked, autoAck: false, ct) is { } message; count--)
            {
                var seen = Describe(message);
                var fate = decide(seen);
                if (fate != Fate.Drop)
                {
                    var copy = new BasicProperties(message.BasicProperties) { Headers = HeadersOf(message, fate), Persistent = true };
                    var to = fate == Fate.Resend ? queue : parked;
                    await channel.BasicPublishAsync("", to, mandatory: true, copy, message.Body, ct).AsTask().WaitAsync(Patience, ct);
                }
                await channel.BasicAckAsync(message.DeliveryTag, multiple: false, ct);
                walked.Add((seen, fate));
            }
        }
        catch (Exception e) when (e is RabbitMQClientException or IOException or TimeoutException)
        {
            throw new OpsException(
                Exit.Failed, $"The broker did not take a message of {parked}; it and those after it are still there: {e.Message}", e);
        }
        return walked;
    }

    public ValueTask DisposeAsync() => broker.DisposeAsync();

    // Sent again, a message begins anew; kept, it keeps why it is here, less what broker and client count for themselves.
    private static Dictionary<string, object?> HeadersOf(BasicGetResult message, Fate fate) =>
        (message.BasicProperties.Headers ?? new Dictionary<string, object?>())
        .Where(header => fate == Fate.Keep ? header.Key is not ("x-delivery-count" or "x-dotnet-pub-seq-no") : header.Key == "traceparent")
        .ToDictionary();

    private static Parked Describe(BasicGetResult message)
    {
        var properties = message.BasicProperties;
        var reason = Text("x-error") ?? Text("x-first-death-reason") ?? "unknown";
        return new(properties.MessageId ?? "", properties.Type ?? "",
            properties.IsTimestampPresent() ? DateTimeOffset.FromUnixTimeSeconds(properties.Timestamp.UnixTime) : null,
            reason, message.Body.Length, Encoding.UTF8.GetString(message.Body.Span));

        string? Text(string header) => properties.Headers is { } headers && headers.TryGetValue(header, out var value)
            ? value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : value?.ToString()
            : null;
    }
}
