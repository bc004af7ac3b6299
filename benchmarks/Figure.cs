namespace OpenReadings.Benchmarks;

/// <summary>One measured figure: a value for each round, and the goal that their median is held against.</summary>
/// <param name="Name">As the issue names it.</param>
/// <param name="Operator"><c>&gt;=</c> or <c>&lt;=</c>.</param>
/// <param name="Goal">What the median must reach.</param>
/// <param name="Rounds">One value for each round.</param>
/// <param name="How">What was measured against what.</param>
/// <param name="Detail">The absolute numbers behind the value, on this machine.</param>
internal sealed record Figure(string Name, string Operator, double Goal, double[] Rounds, string How, string Detail)
{
    public double Value => Statistics.Median(Rounds);
    public double Least => Rounds.Min();
    public double Most => Rounds.Max();
    public bool IsReached => Operator == ">=" ? Value >= Goal : Value <= Goal;

    public string Line => $"{Name} {Text(Value)} goal {Operator} {Text(Goal)} {(IsReached ? "ok" : "short")}";

    public static string Text(double value) => Math.Abs(value) switch
    {
        >= 1000 => value.ToString("F0"),
        >= 10 => value.ToString("0.#"),
        _ => value.ToString("0.###"),
    };
}

/// <summary>A figure, or figures that come out of one measurement.</summary>
internal sealed record Measurement(string[] Names, Func<Bench, Task<IReadOnlyList<Figure>>> RunAsync);

internal static class Statistics
{
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0) throw new MeasurementFailedException("Nothing was measured.");
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[(int)Math.Min(sorted.Length - 1, sorted.Length * share)];
    }
}

/// <summary>A number would be wrong, so there is none.</summary>
internal sealed class MeasurementFailedException(string reason) : Exception(reason);
