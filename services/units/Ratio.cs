using System.Globalization;
using System.Numerics;

namespace OpenReadings.Units;

/// <summary>An exact fraction, so that 150 lb is 68.0388555 kg and not 68.03885549999999.</summary>
internal readonly record struct Ratio
{
    public static readonly Ratio Zero = new(0, 1);
    public static readonly Ratio One = new(1, 1);

    private Ratio(BigInteger numerator, BigInteger denominator)
    {
        var common = BigInteger.GreatestCommonDivisor(numerator, denominator);
        if (denominator.Sign < 0) common = -common;
        Numerator = numerator / common;
        Denominator = denominator / common;
    }

    public BigInteger Numerator { get; }
    public BigInteger Denominator { get; }

    public static Ratio operator *(Ratio a, Ratio b) => new(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    public static Ratio operator /(Ratio a, Ratio b) => new(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    public static Ratio operator -(Ratio a, Ratio b) =>
        new(a.Numerator * b.Denominator - b.Numerator * a.Denominator, a.Denominator * b.Denominator);

    public static implicit operator Ratio(int whole) => new(whole, 1);

    public static implicit operator Ratio(decimal value)
    {
        var scale = value.Scale;
        return new(new BigInteger(value * (decimal)Math.Pow(10, scale)), BigInteger.Pow(10, scale));
    }

    /// <summary>Reads <c>0.45359237</c>, <c>1e-6</c> or <c>5/9</c>.</summary>
    public static Ratio Parse(string text)
    {
        var parts = text.Split('/');
        var ratio = One;
        for (var i = 0; i < parts.Length; i++)
        {
            var mantissa = parts[i].Split('e');
            Ratio part = decimal.Parse(mantissa[0], CultureInfo.InvariantCulture);
            if (mantissa.Length > 1) part *= Power(10, int.Parse(mantissa[1], CultureInfo.InvariantCulture));
            ratio = i == 0 ? part : ratio / part;
        }
        return ratio;
    }

    public static Ratio Power(Ratio value, int exponent) => exponent >= 0
        ? new(BigInteger.Pow(value.Numerator, exponent), BigInteger.Pow(value.Denominator, exponent))
        : new(BigInteger.Pow(value.Denominator, -exponent), BigInteger.Pow(value.Numerator, -exponent));

    /// <summary>The nearest double: dividing two rounded doubles would be off in the last digit.</summary>
    public double ToDouble()
    {
        var shift = 62 - (int)(Numerator.GetBitLength() - Denominator.GetBitLength());
        var bits = shift >= 0 ? (Numerator << shift) / Denominator : Numerator / (Denominator << -shift);
        return Math.ScaleB((double)(long)bits, -shift);
    }
}
