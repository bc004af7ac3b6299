using System.Collections.Frozen;

namespace OpenReadings.Units;

/// <summary>A unit that is not made of others in writing: <c>m</c>, <c>[lb_av]</c>, the <c>m[Hg]</c> of <c>mm[Hg]</c>.
/// </summary>
/// <param name="Code">Its UCUM code.</param>
/// <param name="Name">What it is called.</param>
/// <param name="TakesPrefixes">Whether <c>k</c>, <c>m</c>, <c>u</c> … may stand before it.</param>
/// <param name="Dimension">What it measures.</param>
public sealed record Atom(string Code, string Name, bool TakesPrefixes, Dimension Dimension)
{
    internal Ratio Factor { get; init; } = Ratio.One;
    internal Ratio Offset { get; init; } = Ratio.Zero;
}

/// <summary>The atoms and prefixes of UCUM that health, home, diving and food need.</summary>
public static class Atoms
{
    internal static readonly FrozenDictionary<string, int> Prefixes = FrozenDictionary.ToFrozenDictionary(
    [
        KeyValuePair.Create("Y", 24), new("Z", 21), new("E", 18), new("P", 15), new("T", 12), new("G", 9), new("M", 6),
        new("k", 3), new("h", 2), new("da", 1), new("d", -1), new("c", -2), new("m", -3), new("u", -6), new("n", -9),
        new("p", -12), new("f", -15), new("a", -18), new("z", -21), new("y", -24),
    ]);

    private const bool Metric = true;
    private static readonly Dictionary<string, Atom> Defined = [];

    static Atoms()
    {
        Base("g", "gram", Dimension.Mass, Metric);
        Base("mol", "mole", Dimension.Amount, Metric);
        Base("m", "metre", Dimension.Length, Metric);
        Base("s", "second", Dimension.Time, Metric);
        Base("K", "kelvin", Dimension.Temperature, Metric);
        Base("A", "ampere", Dimension.Current, Metric);
        Base("cd", "candela", Dimension.Luminosity, Metric);
        // UCUM counts angles in radians; degrees keep minutes and seconds of arc exact.
        Base("deg", "degree", Dimension.Angle);
        // The logarithm of a ratio. With and without a named reference it is one dimension: people and devices write a
        // bare dB for both.
        Base("B", "bel", Dimension.Level, Metric);
        Base("B[SPL]", "bel of sound pressure", Dimension.Level, Metric);
        Base("[pH]", "pH", Dimension.Acidity);
        Base("[iU]", "international unit", Dimension.InternationalUnits, Metric);
        Base("[arb'U]", "arbitrary unit", Dimension.ArbitraryUnits);

        // Numbers.
        Derived("%", "percent", "1e-2");
        Derived("[ppth]", "parts per thousand", "1e-3");
        Derived("[ppm]", "parts per million", "1e-6");
        Derived("[ppb]", "parts per billion", "1e-9");

        // Time. A month and a year are UCUM's means: 30.4375 and 365.25 days.
        Derived("min", "minute", "60", "s");
        Derived("h", "hour", "60", "min");
        Derived("d", "day", "24", "h");
        Derived("wk", "week", "7", "d");
        Derived("mo", "month", "30.4375", "d");
        Derived("a", "year", "365.25", "d");
        Derived("Hz", "hertz", "1", "s-1", Metric);
        Derived("Bq", "becquerel", "1", "s-1", Metric);

        // Length, area, volume.
        Derived("[in_i]", "inch", "0.0254", "m");
        Derived("[ft_i]", "foot", "12", "[in_i]");
        Derived("[yd_i]", "yard", "3", "[ft_i]");
        Derived("[fth_i]", "fathom", "6", "[ft_i]");
        Derived("[mi_i]", "mile", "5280", "[ft_i]");
        Derived("[nmi_i]", "nautical mile", "1852", "m");
        Derived("[sft_i]", "square foot", "1", "[ft_i]2");
        Derived("[cft_i]", "cubic foot", "1", "[ft_i]3");
        Derived("ar", "are", "100", "m2", Metric);
        Derived("L", "litre", "1e-3", "m3", Metric);
        Derived("[gal_us]", "US gallon", "231", "[in_i]3");
        Derived("[qt_us]", "US quart", "1/4", "[gal_us]");
        Derived("[pt_us]", "US pint", "1/8", "[gal_us]");
        Derived("[cup_us]", "US cup", "1/16", "[gal_us]");
        Derived("[foz_us]", "US fluid ounce", "1/128", "[gal_us]");
        Derived("[tbs_us]", "US tablespoon", "1/256", "[gal_us]");
        Derived("[tsp_us]", "US teaspoon", "1/768", "[gal_us]");
        Derived("[gal_br]", "imperial gallon", "4.54609", "L");
        Derived("[pt_br]", "imperial pint", "1/8", "[gal_br]");
        Derived("[foz_br]", "imperial fluid ounce", "1/160", "[gal_br]");

        // Mass.
        Derived("t", "tonne", "1000", "kg", Metric);
        Derived("[lb_av]", "pound", "0.45359237", "kg");
        Derived("[oz_av]", "ounce", "1/16", "[lb_av]");
        Derived("[stone_av]", "stone", "14", "[lb_av]");

        // Speed and acceleration.
        Derived("[kn_i]", "knot", "1", "[nmi_i]/h");
        Derived("[g]", "standard gravity", "9.80665", "m/s2", Metric);

        // Force, pressure.
        Derived("N", "newton", "1", "kg.m/s2", Metric);
        Derived("[lbf_av]", "pound-force", "1", "[lb_av].[g]");
        Derived("Pa", "pascal", "1", "N/m2", Metric);
        Derived("bar", "bar", "1e5", "Pa", Metric);
        Derived("atm", "atmosphere", "101325", "Pa");
        Derived("m[Hg]", "metre of mercury", "133322", "Pa", Metric);
        Derived("[in_i'Hg]", "inch of mercury", "0.0254", "m[Hg]");
        Derived("m[H2O]", "metre of water", "9806.65", "Pa", Metric);
        Derived("[psi]", "pound per square inch", "1", "[lbf_av]/[in_i]2");

        // Energy, power. The calorie is the thermochemical one, as in UCUM and on food labels.
        Derived("J", "joule", "1", "N.m", Metric);
        Derived("cal", "calorie", "4.184", "J", Metric);
        Derived("[Cal]", "food calorie", "1", "kcal");
        Derived("[Btu_th]", "British thermal unit", "1054.35", "J");
        Derived("W", "watt", "1", "J/s", Metric);
        Derived("[HP]", "horsepower", "550", "[ft_i].[lbf_av]/s");
        Derived("[MET]", "metabolic equivalent", "3.5", "mL/min/kg");

        // Electricity.
        Derived("V", "volt", "1", "W/A", Metric);
        Derived("Ohm", "ohm", "1", "V/A", Metric);
        Derived("S", "siemens", "1", "A/V", Metric);

        // Light, radiation, lenses.
        Derived("'", "minute of arc", "1/60", "deg");
        Derived("''", "second of arc", "1/3600", "deg");
        Derived("rad", "radian", "57.295779513082320876798154", "deg", Metric);
        Derived("lm", "lumen", "1", "cd.rad2", Metric);
        Derived("lx", "lux", "1", "lm/m2", Metric);
        Derived("Gy", "gray", "1", "J/kg", Metric);
        Derived("Sv", "sievert", "1", "J/kg", Metric);
        Derived("[diop]", "dioptre", "1", "m-1");

        // Chemistry.
        Derived("eq", "equivalent", "1", "mol", Metric);
        Derived("osm", "osmole", "1", "mol", Metric);
        Derived("U", "enzyme unit", "1", "umol/min", Metric);
        Derived("kat", "katal", "1", "mol/s", Metric);

        Temperature("Cel", "degree Celsius", Ratio.One, 273.15m, Metric);
        Temperature("[degF]", "degree Fahrenheit", Ratio.Parse("5/9"), Ratio.Parse("459.67") * Ratio.Parse("5/9"));
    }

    /// <summary>Every atom, in the order of its definition.</summary>
    public static IReadOnlyCollection<Atom> All => Defined.Values;

    /// <summary>Every prefix, from the largest to the smallest.</summary>
    public static IEnumerable<string> AllPrefixes =>
        Prefixes.OrderByDescending(prefix => prefix.Value).Select(prefix => prefix.Key);

    internal static Atom? Find(string code) => Defined.GetValueOrDefault(code);

    private static void Base(string code, string name, Dimension dimension, bool metric = false) =>
        Defined.Add(code, new(code, name, metric, dimension));

    // Each definition is written in atoms that stand above it, as in UCUM's own table.
    private static void Derived(string code, string name, string value, string of = "1", bool metric = false)
    {
        var unit = UnitParser.Parse(of);
        Defined.Add(code, new(code, name, metric, unit.Dimension) { Factor = Ratio.Parse(value) * unit.Factor });
    }

    private static void Temperature(string code, string name, Ratio factor, Ratio offset, bool metric = false) =>
        Defined.Add(code, new(code, name, metric, Dimension.Temperature) { Factor = factor, Offset = offset });
}
