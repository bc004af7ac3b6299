using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace OpenReadings.Units;

/// <summary>A unit of measurement, in the spelling of UCUM in which it is stored.</summary>
public sealed class Unit
{
    // Units come from people, so the cache is bounded: what a stranger invents must not fill the memory.
    private const int CacheLimit = 4096;
    private static readonly ConcurrentDictionary<string, Unit> Cache = new(StringComparer.Ordinal);

    internal Unit(string code, Dimension dimension, Ratio factor, Ratio offset, decimal? molarMass)
    {
        Code = code;
        Dimension = dimension;
        Factor = factor;
        Offset = offset;
        MolarMass = molarMass;
    }

    /// <summary>The canonical text, such as <c>kW.h</c> for what was given as <c>kWh</c>.</summary>
    public string Code { get; }

    /// <summary>What it measures; units of equal dimension convert into each other.</summary>
    public Dimension Dimension { get; }

    // A value in base units is value * Factor + Offset.
    internal Ratio Factor { get; }
    internal Ratio Offset { get; }

    // Apple Health writes the molar mass into the unit: mmol<180.1558800000541>/L.
    internal decimal? MolarMass { get; }

    /// <summary>Understands UCUM and the spellings people use. Throws <see cref="UnknownUnitException"/>.</summary>
    public static Unit Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Cache.TryGetValue(text, out var known)) return known;
        var unit = UnitParser.Parse(text);
        if (Cache.Count < CacheLimit) Cache.TryAdd(text, unit);
        return unit;
    }

    /// <summary>The same without an exception, for what comes in large numbers from files.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Unit? unit)
    {
        unit = null;
        if (text is null) return false;
        if (Cache.TryGetValue(text, out unit)) return true;
        try
        {
            unit = Parse(text);
            return true;
        }
        catch (UnknownUnitException)
        {
            return false;
        }
    }

    /// <summary>
    /// The value in another unit. <paramref name="substance"/> (<c>glucose</c>, …) opens the way between amounts and
    /// masses. Throws <see cref="UnknownUnitException"/> and <see cref="IncompatibleUnitsException"/>.
    /// </summary>
    public static double Convert(double value, string from, string to, string? substance = null) =>
        Converter(from, to, substance).Convert(value);

    /// <summary>A converter for many values; the same rules as <see cref="Convert"/>.</summary>
    public static Converter Converter(string from, string to, string? substance = null) =>
        Parse(from).To(Parse(to), substance);

    /// <summary>
    /// A converter from this unit to another. <paramref name="differences"/>: values are differences of temperature,
    /// which have no zero to shift (1.8 [degF] more is 1 Cel more).
    /// </summary>
    public Converter To(Unit to, string? substance = null, bool differences = false)
    {
        ArgumentNullException.ThrowIfNull(to);
        var factor = Factor / to.Factor;
        if (Dimension != to.Dimension) factor *= Bridge(to, substance);
        var offset = differences ? Ratio.Zero : (Offset - to.Offset) / to.Factor;
        return new(factor, offset);
    }

    /// <summary>Whether values of this unit can be given in the other one.</summary>
    public bool ConvertsTo(Unit to, string? substance = null)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (Dimension == to.Dimension) return true;
        try
        {
            Bridge(to, substance);
            return true;
        }
        catch (IncompatibleUnitsException)
        {
            return false;
        }
    }

    public override string ToString() => Code;

    // An amount is a mass once the substance is known; ethanol in percent is grams in a decilitre.
    private Ratio Bridge(Unit to, string? substance)
    {
        if (substance is not null && Substances.MolarMass(substance) is null)
            throw new UnknownSubstanceException(substance);
        var missing = to.Dimension / Dimension;
        var molarMass = MolarMass ?? to.MolarMass ?? (substance is null ? null : Substances.MolarMass(substance));
        if (molarMass is { } mass)
        {
            if (missing == Dimension.Mass / Dimension.Amount) return mass;
            if (missing == Dimension.Amount / Dimension.Mass) return Ratio.One / mass;
        }
        if (substance is not null && Substances.IsCountedInPercentOfVolume(substance))
        {
            Ratio gramsPerCubicMetre = 1_000_000;
            var concentration = Dimension.Mass / Dimension.Length.Power(3);
            if (missing == concentration) return gramsPerCubicMetre;
            if (missing == Dimension.None / concentration) return Ratio.One / gramsPerCubicMetre;
        }
        throw new IncompatibleUnitsException(this, to, substance);
    }
}
