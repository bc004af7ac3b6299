using OpenReadings.Ops.Metrics;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Metrics;

/// <summary>docs/metrics.md is written from <see cref="Metric"/>: OPENREADINGS_WRITE_DOCS=1 renews it.</summary>
public sealed class MetricPageTests
{
    [Fact]
    public void The_page_of_metrics_says_what_the_program_measures()
    {
        var path = Path.Combine(TestServers.Root, "docs", "metrics.md");
        var page = Write();
        if (Environment.GetEnvironmentVariable("OPENREADINGS_WRITE_DOCS") == "1") File.WriteAllText(path, page);
        Assert.True(File.Exists(path) && File.ReadAllText(path) == page, "docs/metrics.md is out of date: OPENREADINGS_WRITE_DOCS=1 ./dev test Ops");
    }

    [Fact]
    public void A_name_is_said_once_and_is_one_that_Prometheus_takes()
    {
        Assert.Equal(Metric.All.Count, Metric.All.Select(metric => metric.Name).Distinct().Count());
        Assert.All(Metric.All, metric => Assert.Matches("^openreadings_[a-z_]+$", metric.Name));
    }

    private static string Write() =>
        """
        # Metrics

        `ops metrics` prints these in Prometheus' text format; `ops metrics --listen :9187` serves them under `/metrics`. They are the
        figures of `ops doctor`, whose thresholds are in `db/ops/Health/Thresholds.cs`. Written from `db/ops/Metrics/Metric.cs`; a test
        keeps this page fresh. What the services measure themselves (requests, events) leaves over OTLP: ARCHITECTURE.md.

        | metric | kind | labels | meaning |
        |---|---|---|---|

        """
        + string.Concat(Metric.All.Select(metric =>
            $"| `{metric.Name}` | {metric.Kind} | {string.Join(", ", metric.Labels.Select(label => $"`{label}`"))} | {metric.Help} |\n"));
}
