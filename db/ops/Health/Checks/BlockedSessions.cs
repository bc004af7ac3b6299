using OpenReadings.Ops.Metrics;
using OpenReadings.Ops.Sessions;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Who waits for a lock, and whose.</summary>
internal static class BlockedSessions
{
    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var tree = await BlockingTree.ReadAsync(database, ct);
        var longest = tree.Blocked.Select(session => session.WaitingSeconds).DefaultIfEmpty(0).Max();
        section.Figures = tree;
        section.Summary = tree.Blocked.Count == 0 ? "nobody waits" : $"{tree.Blocked.Count} wait, the longest for {Words.Age(longest)}";
        foreach (var root in tree.Roots)
            section.Judge(longest, scope.Limits.BlockedSeconds,
                $"process {root.Pid} ({root.Role}, {root.State}) holds up {tree.WaitingFor(root.Pid)} session(s), "
                + $"the longest for {Words.Age(longest)}",
                $"`ops locks` shows the tree; {root.Way}");
        section.Measure(Metric.Blocked, tree.Blocked.Count, section.Of);
        section.Measure(Metric.BlockedFor, longest, section.Of);
    }
}
