using System.Text;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;
using OpenReadings.Units;

namespace OpenReadings.Sync.Apple;

/// <summary>One type of Apple record while a file is read: its metric, and how its units become the metric's.</summary>
public sealed class AppleKind
{
    private const int MostUnits = 64;
    private readonly AppleQuantity? quantity;
    private readonly Utf8Table<Conversion> conversions = new();

    private AppleKind(AppleQuantity? quantity, int index)
    {
        this.quantity = quantity;
        if (quantity is null) return;
        var unit = quantity.Type is { } type ? SeriesTypes.Find(type)!.Unit : quantity.Unit!;
        Metric = new(quantity.Metric, unit, quantity.Type)
        {
            Index = index, Group = quantity.Metric.StartsWith("blood_pressure", StringComparison.Ordinal) ? 0 : null,
        };
    }

    /// <summary>Null for sleep, which is no quantity.</summary>
    public Metric? Metric { get; }

    public bool IsSleep => quantity is null;

    /// <summary>The name that its values have in a workout: all ways of moving make one distance.</summary>
    public string InWorkout => quantity?.Type is "distance_other" || quantity?.Type?.StartsWith("distance_", StringComparison.Ordinal) == true
        ? "distance"
        : Metric?.Name ?? "";

    /// <summary>All that is imported, by Apple's name.</summary>
    public static Utf8Table<AppleKind> Table()
    {
        var table = new Utf8Table<AppleKind>();
        foreach (var (name, quantity) in AppleTypes.All) table.Add(Encoding.UTF8.GetBytes(name), new(quantity, table.Count));
        table.Add(Encoding.UTF8.GetBytes(AppleTypes.SleepAnalysis), new(null, 0));
        return table;
    }

    /// <summary>Elements that stand alone in an export; whatever was open before has ended where one begins.</summary>
    public static bool IsTopLevel(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("Record"u8) || name.SequenceEqual("Workout"u8) || name.SequenceEqual("Correlation"u8)
        || name.SequenceEqual("ActivitySummary"u8) || name.SequenceEqual("ClinicalRecord"u8) || name.SequenceEqual("Audiogram"u8)
        || name.SequenceEqual("VisionPrescription"u8) || name.SequenceEqual("ExportDate"u8) || name.SequenceEqual("Me"u8);

    /// <summary>The converter for the unit of the tag that the scanner stands on; null with the reason when there is none.</summary>
    public Converter? ConverterOf(XmlScanner xml, out string fault)
    {
        fault = "The record has no unit.";
        return xml.TryGet("unit"u8, out var unit) ? ConverterOf(unit, out fault) : null;
    }

    /// <summary>The same for a unit that stands elsewhere.</summary>
    public Converter? ConverterOf(ReadOnlySpan<byte> unit, out string fault)
    {
        if (!conversions.TryGet(unit, out var known))
        {
            known = Make(Encoding.UTF8.GetString(unit));
            if (conversions.Count < MostUnits) conversions.Add(unit, known);
        }

        fault = known.Fault;
        return known.Converter;
    }

    private Conversion Make(string written)
    {
        var shown = written.Length > 40 ? written[..40] : written;
        if (!Unit.TryParse(quantity!.Fraction && written == "%" ? "1" : written, out var from))
            return new(null, $"The unit '{shown}' is not known.");
        var (to, substance) = (Unit.Parse(Metric!.Unit), quantity.Type is { } type ? SeriesTypes.Find(type)!.Substance : null);
        if (from.ConvertsTo(to, substance)) return new(from.To(to, substance), "");
        return quantity.AsWritten ? new(to.To(to), "") : new(null, $"The unit '{shown}' does not convert to {to.Code}.");
    }

    private sealed record Conversion(Converter? Converter, string Fault);
}
