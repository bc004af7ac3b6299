namespace OpenReadings.Units;

/// <summary>What turns an amount into a mass: molar masses, in grams per mole.</summary>
public static class Substances
{
    private static readonly Dictionary<string, decimal> MolarMasses = new(StringComparer.OrdinalIgnoreCase)
    {
        ["glucose"] = 180.156m,
        ["cholesterol"] = 386.65m,
        ["triglycerides"] = 885.7m,
        ["ethanol"] = 46.068m,
        ["lactate"] = 90.08m,
        ["beta-hydroxybutyrate"] = 104.10m,
        ["urea"] = 60.056m,
        ["creatinine"] = 113.12m,
        ["uric-acid"] = 168.11m,
        ["bilirubin"] = 584.66m,
        ["25-hydroxyvitamin-d"] = 400.64m,
        ["calcium"] = 40.078m,
        ["iron"] = 55.845m,
        ["magnesium"] = 24.305m,
        ["potassium"] = 39.0983m,
        ["sodium"] = 22.98977m,
    };

    /// <summary>All names that <c>substance</c> may have.</summary>
    public static IEnumerable<string> Names => MolarMasses.Keys;

    /// <summary>Grams per mole; null for a substance that is not listed.</summary>
    public static decimal? MolarMass(string substance) =>
        MolarMasses.TryGetValue(substance, out var mass) ? mass : null;

    // A blood alcohol of 0.08 % is by convention 0.08 g in a decilitre, which no molar mass says.
    internal static bool IsCountedInPercentOfVolume(string substance) =>
        substance.Equals("ethanol", StringComparison.OrdinalIgnoreCase);
}
