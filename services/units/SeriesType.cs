namespace OpenReadings.Units;

/// <summary>What a series of readings measures, the same for everybody.</summary>
/// <param name="Code">Its stable name, such as <c>heart_rate</c>.</param>
/// <param name="Number">Its stable number; gaps are left for what may come.</param>
/// <param name="Category">The group it is listed in.</param>
/// <param name="Name">What it is called in English.</param>
/// <param name="Unit">Its unit in UCUM; values in other units of the same dimension are converted to it.</param>
/// <param name="Aggregation">How a day is made of its readings: sum, average, max or last.</param>
/// <param name="Minimum">The lowest plausible value; null for none.</param>
/// <param name="Maximum">The highest plausible value; null for none.</param>
public sealed record SeriesType(
    string Code, int Number, string Category, string Name, string Unit, string Aggregation, double? Minimum,
    double? Maximum)
{
    /// <summary>The LOINC code of the same quantity; null where there is none or it is not certain.</summary>
    public string? Loinc { get; init; }

    /// <summary>The composite it is measured with: one reading of a panel holds several values.</summary>
    public string? Panel { get; init; }

    /// <summary>What leads from an amount to a mass, such as <c>glucose</c>.</summary>
    public string? Substance { get; init; }

    /// <summary>Its values are differences of temperature: they are scaled and never shifted.</summary>
    public bool IsDifference { get; init; }

    /// <summary>Converts values from the unit they came in.</summary>
    public Converter ConverterFrom(string unit) =>
        Units.Unit.Parse(unit).To(Units.Unit.Parse(Unit), Substance, IsDifference);
}
