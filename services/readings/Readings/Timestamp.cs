namespace OpenReadings.Readings;

/// <summary>Why a text is not a time that a reading can have.</summary>
internal enum TimeFault { None, NotATime, MissingOffset, ImpossibleDate }

/// <summary>
/// RFC 3339 without allocation. A time is microseconds since 2000-01-01 UTC, which is how PostgreSQL stores and sends it,
/// beside the minutes east of UTC that it was given with.
/// </summary>
internal static class Timestamp
{
    public const int MaxLength = 32;
    public const long Hour = 3_600_000_000, Day = 24 * Hour;

    /// <summary>No reading is older: what claims to be, is a device without a clock.</summary>
    public static readonly long Earliest = Of(new DateTime(1900, 1, 1, 0, 0, 0, DateTimeKind.Utc));

    private const long Epoch = 630_822_816_000_000_000;         // the ticks of 2000-01-01

    public static long Of(DateTime utc) => (utc.Ticks - Epoch) / TimeSpan.TicksPerMicrosecond;

    public static long Of(DateTimeOffset at) => Of(at.UtcDateTime);

    public static DateTime ToUtc(long at) => new(at * TimeSpan.TicksPerMicrosecond + Epoch, DateTimeKind.Utc);

    /// <summary>Reads a time. Digits beyond the microsecond are dropped.</summary>
    public static TimeFault Parse(ReadOnlySpan<byte> text, out long at, out short offset)
    {
        (at, offset) = (0, 0);
        // 0123456789012345678
        // 2026-11-20T20:57:14
        if (text.Length < 19 || text[4] != '-' || text[7] != '-' || (text[10] | 0x20) is not ('t' or ' ') || text[13] != ':' || text[16] != ':')
            return TimeFault.NotATime;
        int year = Two(text, 0) * 100 + Two(text, 2), month = Two(text, 5), day = Two(text, 8);
        int hour = Two(text, 11), minute = Two(text, 14), second = Two(text, 17);
        if ((year | month | day | hour | minute | second) < 0) return TimeFault.NotATime;

        var position = 19;
        long fraction = 0;
        if (position < text.Length && text[position] == '.')
        {
            var digits = 0;
            for (position++; position < text.Length && text[position] is >= (byte)'0' and <= (byte)'9'; position++, digits++)
                if (digits < 6) fraction = fraction * 10 + (text[position] - '0');
            if (digits == 0) return TimeFault.NotATime;
            for (; digits < 6; digits++) fraction *= 10;
        }

        if (position == text.Length) return TimeFault.MissingOffset;
        if ((text[position] | 0x20) == 'z')
        {
            if (position + 1 != text.Length) return TimeFault.NotATime;
        }
        else
        {
            if (text[position] is not ((byte)'+' or (byte)'-') || text.Length != position + 6 || text[position + 3] != ':') return TimeFault.NotATime;
            int hours = Two(text, position + 1), minutes = Two(text, position + 4);
            if ((hours | minutes) < 0) return TimeFault.NotATime;
            if (minutes > 59 || hours * 60 + minutes > 14 * 60) return TimeFault.ImpossibleDate;
            offset = (short)((hours * 60 + minutes) * (text[position] == '-' ? -1 : 1));
        }

        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59)
            return TimeFault.ImpossibleDate;
        at = Of(new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc)) + fraction - offset * 60_000_000L;
        return TimeFault.None;
    }

    /// <summary>Writes the time as it was given: with its own offset, and no more digits than it has.</summary>
    public static int Format(Span<byte> to, long at, short offset)
    {
        var local = ToUtc(at + offset * 60_000_000L);
        var (year, month, day) = local;
        Write2(to, year / 100);
        Write2(to[2..], year % 100);
        to[4] = to[7] = (byte)'-';
        Write2(to[5..], month);
        Write2(to[8..], day);
        to[10] = (byte)'T';
        Write2(to[11..], local.Hour);
        to[13] = to[16] = (byte)':';
        Write2(to[14..], local.Minute);
        Write2(to[17..], local.Second);
        var length = 19;

        var fraction = (int)(local.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        if (fraction > 0)
        {
            to[length++] = (byte)'.';
            for (var unit = 100_000; fraction > 0; unit /= 10)
            {
                to[length++] = (byte)('0' + fraction / unit);
                fraction %= unit;
            }
        }
        if (offset == 0)
        {
            to[length++] = (byte)'Z';
            return length;
        }
        to[length] = offset < 0 ? (byte)'-' : (byte)'+';
        var minutes = Math.Abs((int)offset);
        Write2(to[(length + 1)..], minutes / 60);
        to[length + 3] = (byte)':';
        Write2(to[(length + 4)..], minutes % 60);
        return length + 6;
    }

    public static string ToText(long at, short offset = 0)
    {
        Span<byte> text = stackalloc byte[MaxLength];
        return System.Text.Encoding.ASCII.GetString(text[..Format(text, at, offset)]);
    }

    private static int Two(ReadOnlySpan<byte> text, int at)
    {
        int tens = text[at] - '0', ones = text[at + 1] - '0';
        return tens is >= 0 and <= 9 && ones is >= 0 and <= 9 ? tens * 10 + ones : -1;
    }

    private static void Write2(Span<byte> to, int number)
    {
        to[0] = (byte)('0' + number / 10);
        to[1] = (byte)('0' + number % 10);
    }
}
