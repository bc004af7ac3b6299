using System.Numerics;

namespace OpenReadings.Units;

/// <summary>Converts values from one unit to another; made once, used in loops over millions.</summary>
public sealed class Converter
{
    private static readonly BigInteger ExactLimit = 1_000_000_000_000_000;

    private readonly double numerator, shift, denominator;
    private readonly decimal exactNumerator, exactShift, exactDenominator;
    private readonly bool isExact;

    internal Converter(Ratio factor, Ratio offset)
    {
        Factor = factor.ToDouble();
        Offset = offset.ToDouble();
        IsIdentity = factor == Ratio.One && offset == Ratio.Zero;

        var common = factor.Denominator * offset.Denominator
            / BigInteger.GreatestCommonDivisor(factor.Denominator, offset.Denominator);
        var n = factor.Numerator * (common / factor.Denominator);
        var o = offset.Numerator * (common / offset.Denominator);
        isExact = BigInteger.Abs(n) < ExactLimit && BigInteger.Abs(o) < ExactLimit && common < ExactLimit;
        (numerator, shift, denominator) = isExact ? ((double)n, (double)o, (double)common) : (Factor, Offset, 1);
        if (isExact) (exactNumerator, exactShift, exactDenominator) = ((decimal)n, (decimal)o, (decimal)common);
    }

    /// <summary>What a value is multiplied by, before <see cref="Offset"/> is added.</summary>
    public double Factor { get; }

    /// <summary>What is added after multiplying: not zero between temperature scales only.</summary>
    public double Offset { get; }

    /// <summary>True when values come back as they are.</summary>
    public bool IsIdentity { get; }

    /// <summary>
    /// The value in the other unit. A value that people can write (up to 15 digits) is converted as the decimal number
    /// it was written as: a fraction of 0.29 is 29 %, not 28.999999999999996 %.
    /// </summary>
    public double Convert(double value)
    {
        if (IsIdentity) return value;
        if (isExact && Math.Abs(value) is 0 or (> 1e-9 and < 1e12))
        {
            var written = (decimal)value;
            if ((double)written == value)
                return (double)((written * exactNumerator + exactShift) / exactDenominator);
        }
        return (value * numerator + shift) / denominator;
    }

    /// <summary>Converts all values in place.</summary>
    public void Convert(Span<double> values)
    {
        if (IsIdentity) return;
        foreach (ref var value in values) value = Convert(value);
    }
}
