using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Seed;

/// <summary>
/// Chance that is the same on every machine and with every version of .NET (SplitMix64, Steele et al. 2014), drawn from
/// what it is for: a day asked for again, in another window of time, is the same day.
/// </summary>
internal sealed class Rng
{
    private ulong state;

    public Rng(params ReadOnlySpan<object> of) => state = BitConverter.ToUInt64(Hash(of), 0);

    /// <summary>An id that the same words always give.</summary>
    public static Guid Id(params ReadOnlySpan<object> of)
    {
        var hash = Hash(of);
        hash[6] = (byte)(hash[6] & 0x0F | 0x80);              // version 8: made by a rule of our own
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }

    public double Next()
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return ((z ^ z >> 31) >> 11) * (1.0 / (1ul << 53));
    }

    public bool Chance(double p) => Next() < p;

    public double Between(double low, double high) => low + Next() * (high - low);

    public T Of<T>(IReadOnlyList<T> all) => all[(int)(Next() * all.Count)];

    /// <summary>Around a mean, never further than three deviations: nobody is impossible.</summary>
    public double Around(double mean, double deviation)
    {
        var normal = Math.Sqrt(-2 * Math.Log(1 - Next())) * Math.Cos(2 * Math.PI * Next());
        return mean + Math.Clamp(normal, -3, 3) * deviation;
    }

    private static byte[] Hash(ReadOnlySpan<object> of) => SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', of.ToArray().Select(one => FormattableString.Invariant($"{one}")))));
}
