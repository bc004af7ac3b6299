using System.Buffers.Binary;
using System.Security.Cryptography;

namespace OpenReadings.Chassis;

/// <summary>
/// Version-7 UUIDs that grow strictly within one process: the outbox is sent, and an audit read, in their order. The 12 bits after the
/// milliseconds hold the fraction of the millisecond (RFC 9562, section 6.2, method 3), because
/// <see cref="Guid.CreateVersion7()"/> fills them at random and two events of one transaction would change places.
/// </summary>
public static class OrderedId
{
    private static long last;

    public static Guid Next()
    {
        var (milliseconds, rest) = Math.DivRem((DateTime.UtcNow - DateTime.UnixEpoch).Ticks, TimeSpan.TicksPerMillisecond);
        var now = (milliseconds << 12) | (rest * 4096 / TimeSpan.TicksPerMillisecond);
        long before, unique;
        do
        {
            before = Volatile.Read(ref last);
            unique = Math.Max(now, before + 1);
        }
        while (Interlocked.CompareExchange(ref last, unique, before) != before);

        Span<byte> id = stackalloc byte[16];
        RandomNumberGenerator.Fill(id);
        BinaryPrimitives.WriteInt64BigEndian(id, (unique >> 12 << 16) | 0x7000 | (unique & 0xFFF));
        id[8] = (byte)((id[8] & 0x3F) | 0x80);
        return new Guid(id, bigEndian: true);
    }
}
