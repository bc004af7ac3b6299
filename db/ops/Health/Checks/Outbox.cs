using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Events that wait to be sent, and those the broker refused.</summary>
internal static class Outbox
{
    private sealed record Lag(long Rows, double OldestSeconds, long Parked);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var lag = await database.OneAsync<Lag>(
            """
            select count(*) as rows, coalesce(greatest(extract(epoch from now() - min(occurred_at)), 0), 0)::float8 as oldest_seconds,
                (select count(*) from outbox_parked) as parked
            from outbox
            """, ct);
        section.Figures = lag;
        section.Summary = (lag.Rows == 0 ? "empty" : $"{lag.Rows} since {Words.Age(lag.OldestSeconds)}")
            + (lag.Parked == 0 ? "" : $", {lag.Parked} parked");
        section.Judge(lag.OldestSeconds, scope.Limits.OutboxLagSeconds,
            $"{lag.Rows} event(s) wait to be sent, the oldest for {Words.Age(lag.OldestSeconds)}",
            $"is the broker up, and does {section.Of} run? its log says \"Events wait in the outbox\" and why");
        if (lag.Parked > 0)
            section.Find(Severity.Bad, $"the broker refused {lag.Parked} event(s) again and again",
                $"`ops queue show {section.Of}.outbox`, then resend or drop");
        section.Measure(Metric.OutboxRows, lag.Rows, section.Of);
        section.Measure(Metric.OutboxLag, lag.OldestSeconds, section.Of);
        section.Measure(Metric.OutboxParked, lag.Parked, section.Of);
    }
}
