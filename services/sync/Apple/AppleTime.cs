using OpenReadings.Sync.Files;

namespace OpenReadings.Sync.Apple;

/// <summary>Apple's <c>2024-03-01 08:00:00 +0100</c>, turned into RFC 3339 without leaving UTF-8.</summary>
public static class AppleTime
{
    /// <summary>How many bytes <see cref="TryFormat"/> writes.</summary>
    public const int Length = 25;

    /// <summary>
    /// Writes the time with the offset it was given with. False with the kind of fault (<c>missing-offset</c>,
    /// <c>impossible-date</c>) when it is none.
    /// </summary>
    public static bool TryFormat(ReadOnlySpan<byte> text, Span<byte> to, out long unixSeconds, out string fault)
    {
        (unixSeconds, fault) = (0, "impossible-date");
        if (text.Length < 19 || text[4] != '-' || text[7] != '-' || (text[10] | 0x20) is not (' ' or 't') || text[13] != ':' || text[16] != ':')
            return false;
        int year = Four(text), month = Two(text, 5), day = Two(text, 8), hour = Two(text, 11), minute = Two(text, 14), second = Two(text, 17);
        var zone = text[19..].TrimStart((byte)' ');
        if (zone.Length == 0)
        {
            fault = "missing-offset";
            return false;
        }

        int offset;
        if (zone.Length == 1 && (zone[0] | 0x20) == 'z') offset = 0;
        else if (zone.Length is 5 or 6 && zone[0] is (byte)'+' or (byte)'-' && (zone.Length == 5 || zone[3] == ':'))
        {
            int hours = Two(zone, 1), minutes = Two(zone, zone.Length - 2);
            if (hours is < 0 or > 18 || minutes is < 0 or > 59) return false;
            offset = (hours * 60 + minutes) * (zone[0] == '-' ? -1 : 1);
        }
        else return false;

        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month)
            || hour is < 0 or > 23 || minute is < 0 or > 59 || second is < 0 or > 59) return false;
        unixSeconds = (new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc) - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond
            - offset * 60L;
        text[..19].CopyTo(to);
        to[10] = (byte)'T';
        Rfc3339.WriteOffset(offset, to[19..]);
        return true;
    }

    private static int Two(ReadOnlySpan<byte> text, int at)
    {
        int high = text[at] - '0', low = text[at + 1] - '0';
        return (uint)high > 9 || (uint)low > 9 ? -1 : high * 10 + low;
    }

    private static int Four(ReadOnlySpan<byte> text)
    {
        int high = Two(text, 0), low = Two(text, 2);
        return high < 0 || low < 0 ? -1 : high * 100 + low;
    }
}
