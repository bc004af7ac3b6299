using System.Numerics;
using System.Runtime.Intrinsics;
using System.Text;

namespace OpenReadings.Units;

/// <summary>
/// What a unit measures, as exponents of the base quantities. Two units convert into each other when these are equal.
/// </summary>
public readonly record struct Dimension
{
    // The order in which people say them: mass·length2/time3, energy per mass per time.
    private static readonly string[] Names =
    [
        "mass", "amount", "length", "time", "temperature", "current", "luminosity", "angle",
        "level", "acidity", "international units", "arbitrary units",
    ];

    // A dozen small exponents fit one register: adding and comparing two dimensions is one instruction each.
    private readonly Vector128<sbyte> exponents;

    private Dimension(Vector128<sbyte> exponents) => this.exponents = exponents;

    /// <summary>A plain number: counts, fractions, percent.</summary>
    public static Dimension None => default;

    internal static readonly Dimension Mass = Base(0);
    internal static readonly Dimension Amount = Base(1);
    internal static readonly Dimension Length = Base(2);
    internal static readonly Dimension Time = Base(3);
    internal static readonly Dimension Temperature = Base(4);
    internal static readonly Dimension Current = Base(5);
    internal static readonly Dimension Luminosity = Base(6);
    internal static readonly Dimension Angle = Base(7);
    internal static readonly Dimension Level = Base(8);
    internal static readonly Dimension Acidity = Base(9);
    internal static readonly Dimension InternationalUnits = Base(10);
    internal static readonly Dimension ArbitraryUnits = Base(11);

    public static Dimension operator *(Dimension a, Dimension b) => new(a.exponents + b.exponents);

    public static Dimension operator /(Dimension a, Dimension b) => new(a.exponents - b.exponents);

    public static Dimension Multiply(Dimension left, Dimension right) => left * right;

    public static Dimension Divide(Dimension left, Dimension right) => left / right;

    /// <summary>The dimension with every exponent multiplied: length to the power of three is a volume.</summary>
    public Dimension Power(int exponent) => new(exponents * (sbyte)exponent);

    internal bool IsAbsurd => Vector128.GreaterThanAny(Vector128.Abs(exponents), Vector128.Create((sbyte)9));

    /// <summary>In words, such as <c>length/time2</c>; <c>number</c> when there is none.</summary>
    public override string ToString()
    {
        if (this == None) return "number";
        var above = new StringBuilder();
        var below = new StringBuilder();
        for (var i = 0; i < Names.Length; i++)
        {
            var exponent = exponents[i];
            if (exponent == 0) continue;
            if (exponent < 0) below.Append('/');
            else if (above.Length > 0) above.Append('·');
            var to = exponent > 0 ? above : below;
            to.Append(Names[i]);
            if (Math.Abs(exponent) > 1) to.Append(Math.Abs(exponent));
        }
        return above.Length == 0 ? $"1{below}" : $"{above}{below}";
    }

    private static Dimension Base(int index) => new(Vector128<sbyte>.Zero.WithElement(index, (sbyte)1));
}
