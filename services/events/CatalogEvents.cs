namespace OpenReadings.Events;

/// <summary>A series type was defined or changed in the catalog. Exchange <c>catalog.events</c>.</summary>
/// <param name="Code">Its stable name, such as <c>heart_rate</c>.</param>
/// <param name="Category">The group it is listed in, such as <c>heart</c>.</param>
/// <param name="Unit">Its canonical unit in UCUM, such as <c>/min</c>.</param>
/// <param name="Aggregation">How a day is made of its readings: sum, average, max or last.</param>
/// <param name="Minimum">The lowest plausible value in <paramref name="Unit"/>; null for none.</param>
/// <param name="Maximum">The highest plausible value in <paramref name="Unit"/>; null for none.</param>
/// <param name="Panel">The composite it is measured with, such as <c>blood_pressure</c>; null for none.</param>
/// <param name="Version">Grows with every change of this series type; a lower one never overwrites a higher one.</param>
public sealed record SeriesTypeDefined(
    string Code, string Category, string Unit, string Aggregation, double? Minimum, double? Maximum, string? Panel,
    int Version) : IEvent
{
    public static string Type => "series-type.defined.v1";
    public string Subject => Code;
}
