using System.Text.Json.Serialization;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health;

internal enum Severity { Ok, Warn, Bad }

/// <summary>Something an operator should know of, and what to do about it.</summary>
internal sealed record Finding(Severity Severity, string What, string Remedy);

/// <summary>From where on a figure is worth a look, and from where on it cannot wait.</summary>
internal sealed record Limit(double Warn, double Bad)
{
    public Severity Of(double value) => value >= Bad ? Severity.Bad : value >= Warn ? Severity.Warn : Severity.Ok;
}

/// <summary>What one check saw of one database, server or broker.</summary>
internal sealed class Section(string name, string of)
{
    private readonly List<Finding> findings = [];

    public string Name => name;
    public string Of => of;
    public Severity Severity => findings.Count == 0 ? Severity.Ok : findings.Max(finding => finding.Severity);
    public string Summary { get; set; } = "";
    public IReadOnlyList<Finding> Findings => findings;

    /// <summary>All that was seen, for <c>--json</c>.</summary>
    public object? Figures { get; set; }

    [JsonIgnore]
    public List<Sample> Samples { get; } = [];

    public void Find(Severity severity, string what, string remedy) => findings.Add(new(severity, what, remedy));

    public void Judge(double value, Limit limit, string what, string remedy)
    {
        if (limit.Of(value) is var severity && severity != Severity.Ok) Find(severity, what, remedy);
    }

    public void Measure(Metric metric, double value, params string[] labels) => Samples.Add(new(metric, value, labels));
}
