using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Identity.Factors;

/// <summary>Codes of an authenticator (RFC 6238): SHA-1, six digits, thirty seconds, which is all that every one of them can.</summary>
public static class Totp
{
    public const int Digits = 6, SecretBytes = 20;
    private const int StepSeconds = 30, Around = 1;

    public static long StepAt(DateTimeOffset time) => time.ToUnixTimeSeconds() / StepSeconds;

    [SuppressMessage("Security", "CA5350", Justification = "RFC 6238; HMAC needs no hash without collisions.")]
    public static string CodeAt(byte[] secret, long step, int digits = Digits)
    {
        var counter = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
        var hash = HMACSHA1.HashData(secret, counter);
        var number = BinaryPrimitives.ReadUInt32BigEndian(hash.AsSpan(hash[^1] & 0xf)) & 0x7fffffff;
        return (number % (long)Math.Pow(10, digits)).ToString(CultureInfo.InvariantCulture).PadLeft(digits, '0');
    }

    /// <summary>The step, of the one of now and its neighbours, that a code belongs to; null where it is of none.</summary>
    public static long? StepOf(byte[] secret, string code, DateTimeOffset now)
    {
        long? found = null;
        for (var step = StepAt(now) - Around; step <= StepAt(now) + Around; step++)
            if (CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(CodeAt(secret, step)), Encoding.UTF8.GetBytes(code))) found = step;
        return found;
    }
}
