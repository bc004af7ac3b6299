using OpenReadings.Ops.Maintenance;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Tables and indexes that are mostly air.</summary>
internal static class Bloat
{
    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var estimates = await BloatEstimate.ReadAsync(database, ct);
        var wasted = estimates.Sum(estimate => estimate.Wasted);
        section.Figures = estimates.Take(10);
        section.Summary = Words.Bytes(wasted);
        foreach (var estimate in estimates.Where(estimate => estimate.Ratio >= scope.Limits.BloatRatio))
            section.Judge(estimate.Wasted, scope.Limits.BloatBytes,
                $"{estimate.Name} is {Words.Bytes(estimate.Bytes)}, of which about {Words.Percent(estimate.Ratio)} is air",
                estimate.IsIndex ? $"`ops maint reindex -s {section.Of} --index {estimate.Name}`"
                    : $"`ops maint vacuum -s {section.Of} --table {estimate.Name}`; if it does not shrink: --full, in a quiet hour");
        section.Measure(Metric.Bloat, wasted, section.Of);
    }
}
