using OpenReadings.Ops.Metrics;
using OpenReadings.Ops.Queues;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>How much waits at the broker, whether anybody takes it, and what was given up.</summary>
internal static class QueueDepths
{
    public static async Task<IReadOnlyList<Section>> LookAsync(Scope scope, CancellationToken ct)
    {
        var section = new Section("queues", "broker");
        if (scope.Broker is null)
        {
            section.Summary = "not looked at: Broker is not set";
            return [section];
        }
        try
        {
            await using var broker = await Broker.ConnectAsync(scope.Broker, ct);
            var queues = await broker.ListAsync(ct);
            section.Figures = queues;
            section.Summary = $"{queues.Sum(queue => queue.Messages)} in {queues.Count} queues, {queues.Sum(queue => queue.Parked)} parked";
            foreach (var queue in queues)
            {
                section.Judge(queue.Messages, scope.Limits.QueueMessages,
                    $"{queue.Name} holds {queue.Messages} messages, and {queue.Consumers} consumer(s) take them",
                    "is its service slow, or is its database? `./dev logs`, `ops slow`");
                if (queue.IsForsaken)
                    section.Find(Severity.Bad, $"nobody takes the {queue.Messages} message(s) of {queue.Name}",
                        $"start {queue.Name.Split('.')[0]}");
                if (queue.Parked > 0)
                    section.Find(Severity.Bad, $"{queue.Name} has {queue.Parked} dead letter(s)",
                        $"`ops queue show {queue.Name}`, then resend or drop");
                section.Measure(Metric.QueueMessages, queue.Messages, queue.Name);
                section.Measure(Metric.QueueConsumers, queue.Consumers, queue.Name);
                section.Measure(Metric.DeadLetters, queue.Parked, queue.Name);
            }
            section.Measure(Metric.Up, 1, "broker");
        }
        catch (OpsException e)
        {
            section.Summary = "unreachable";
            section.Find(Severity.Bad, e.Message, "is the broker up? `./dev status`; the outboxes hold the events meanwhile");
            section.Measure(Metric.Up, 0, "broker");
        }
        return [section];
    }
}
