namespace OpenReadings.Units;

/// <summary>A text that is neither UCUM nor a spelling that we accept for it.</summary>
public sealed class UnknownUnitException(string unit, string message) : FormatException(message)
{
    /// <summary>The text as it was given, cut to a readable length.</summary>
    public string Unit { get; } = unit;
}

/// <summary>Two units that measure different things.</summary>
public sealed class IncompatibleUnitsException(Unit from, Unit to, string? substance) : InvalidOperationException(
    $"'{from.Code}' ({from.Dimension}) does not convert to '{to.Code}' ({to.Dimension})"
    + (substance is null ? "." : $", not even for {substance}."))
{
    public Unit From { get; } = from;
    public Unit To { get; } = to;
}

/// <summary>A substance whose molar mass we do not know.</summary>
public sealed class UnknownSubstanceException(string substance)
    : ArgumentException($"The molar mass of '{substance}' is not known. Known: {string.Join(", ", Substances.Names)}.")
{
    public string Substance { get; } = substance;
}
