using System.Globalization;
using System.Text;
using OpenReadings.Ops.Health;

namespace OpenReadings.Ops.Metrics;

/// <summary>What <c>doctor</c> saw, in Prometheus' text format.</summary>
internal sealed record PrometheusText(Diagnosis Diagnosis)
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public IReadOnlyList<Sample> Samples { get; } =
    [
        .. Diagnosis.Sections.SelectMany(section => section.Samples),
        .. Diagnosis.Sections.GroupBy(section => section.Name).SelectMany(check => new[] { Severity.Warn, Severity.Bad }.Select(severity =>
            new Sample(Metric.Findings, check.Sum(section => section.Findings.Count(finding => finding.Severity == severity)),
                check.Key, severity == Severity.Bad ? "bad" : "warn"))),
    ];

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var samples in Samples.GroupBy(sample => sample.Metric))
        {
            var metric = samples.Key;
            text.Append($"# HELP {metric.Name} {metric.Help}\n# TYPE {metric.Name} {metric.Kind}\n");
            foreach (var sample in samples)
            {
                var labels = string.Join(',', metric.Labels.Zip(sample.Labels, (name, value) => $"{name}=\"{Escape(value)}\""));
                text.Append($"{metric.Name}{{{labels}}} {Number(sample.Value)}\n");
            }
        }
        return text.ToString();
    }

    private static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escape(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
