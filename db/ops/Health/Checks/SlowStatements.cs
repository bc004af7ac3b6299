using OpenReadings.Ops.Metrics;
using OpenReadings.Ops.Sessions;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>What runs for long now, and what has been slow on the average.</summary>
internal static class SlowStatements
{
    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var slow = await Slow.ReadAsync(database, top: 5, ct);
        var active = slow.Now.Where(statement => statement.State == "active").ToList();
        var longest = active.Select(statement => statement.Seconds).DefaultIfEmpty(0).Max();
        section.Figures = slow;
        section.Summary = (longest < 1 ? "nothing" : $"one for {Words.Age(longest)}") + (slow.Note is null ? "" : " (no pg_stat_statements)");
        foreach (var statement in active)
            section.Judge(statement.Seconds, scope.Limits.StatementSeconds,
                $"process {statement.Pid} has been running for {Words.Age(statement.Seconds)}: {statement.Text}",
                $"`ops explain` says why; `ops locks --cancel {statement.Pid}` stops it");
        foreach (var statement in slow.Totals.Where(statement => statement.Calls >= 100))
            section.Judge(statement.MeanMilliseconds, scope.Limits.MeanMilliseconds,
                $"{Words.Age(statement.MeanMilliseconds / 1000)} on the average of {statement.Calls}: {statement.Text}", "`ops slow`, `ops explain`");
        section.Measure(Metric.LongestStatement, longest, section.Of);
    }
}
