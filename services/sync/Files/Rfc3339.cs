namespace OpenReadings.Sync.Files;

/// <summary>Writes times for the wire.</summary>
public static class Rfc3339
{
    /// <summary>The longest text that <see cref="Write"/> makes.</summary>
    public const int Longest = 33;

    /// <summary>Writes <c>+01:00</c>; always six bytes, so that times of one column have one width.</summary>
    public static void WriteOffset(int minutes, Span<byte> to)
    {
        to[0] = minutes < 0 ? (byte)'-' : (byte)'+';
        Two(Math.Abs(minutes) / 60, to[1..]);
        to[3] = (byte)':';
        Two(Math.Abs(minutes) % 60, to[4..]);
    }

    /// <summary>Writes the time with its own offset, and a fraction only when there is one. Returns the number of bytes.</summary>
    public static int Write(DateTimeOffset at, Span<byte> to)
    {
        Two(at.Year / 100, to);
        Two(at.Year % 100, to[2..]);
        to[4] = (byte)'-';
        Two(at.Month, to[5..]);
        to[7] = (byte)'-';
        Two(at.Day, to[8..]);
        to[10] = (byte)'T';
        Two(at.Hour, to[11..]);
        to[13] = (byte)':';
        Two(at.Minute, to[14..]);
        to[16] = (byte)':';
        Two(at.Second, to[17..]);
        var length = 19;
        var micros = (int)(at.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        if (micros > 0)
        {
            to[length++] = (byte)'.';
            for (var unit = 100_000; micros > 0; unit /= 10)
            {
                to[length++] = (byte)('0' + micros / unit);
                micros %= unit;
            }
        }

        WriteOffset((int)at.TotalOffsetMinutes, to[length..]);
        return length + 6;
    }

    private static void Two(int value, Span<byte> to)
    {
        to[0] = (byte)('0' + value / 10);
        to[1] = (byte)('0' + value % 10);
    }
}
