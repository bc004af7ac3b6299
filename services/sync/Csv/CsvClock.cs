using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OpenReadings.Sync.Csv;

/// <summary>
/// Turns what a CSV file writes as a time into a moment with its offset. A local time that the clock skipped in spring is a
/// fault; one that it showed twice in autumn is the first of the two, unless the row before shows that it is the second.
/// </summary>
public sealed class CsvClock
{
    private readonly TimeZoneInfo? zone;
    private readonly string format;
    private readonly char[] text = new char[100];
    private DateTime lastLocal;
    private DateTime lastUtc;
    private bool descending;

    public CsvClock(string? format, string? timeZone)
    {
        this.format = Translate(format);
        zone = timeZone is null ? null : TimeZoneInfo.FindSystemTimeZoneById(timeZone);
    }

    /// <summary>What a later clock must know to go on as this one would; given to <see cref="Restore"/>.</summary>
    public string State => string.Create(CultureInfo.InvariantCulture, $"{lastLocal.Ticks} {lastUtc.Ticks} {descending}");

    /// <summary>Why a format cannot be used; null when it can.</summary>
    public static string? FaultOf(string? format)
    {
        if (format is null) return null;
        if (format.Length is 0 or > 80) return "1 to 80 characters.";
        try
        {
            var translated = Translate(format);
            if (translated is not ("iso" or "unix" or "unix_ms"))
                _ = DateTimeOffset.UnixEpoch.ToString(translated, CultureInfo.InvariantCulture);
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }

    /// <summary>Whether times of the format never carry an offset of their own.</summary>
    public static bool NeedsZone(string? format) =>
        Translate(format) is var translated and not ("iso" or "unix" or "unix_ms") && !HasOffset(translated);

    public void Restore(string state)
    {
        var parts = state.Split(' ');
        lastLocal = new(long.Parse(parts[0], CultureInfo.InvariantCulture));
        lastUtc = new(long.Parse(parts[1], CultureInfo.InvariantCulture), DateTimeKind.Utc);
        descending = bool.Parse(parts[2]);
    }

    /// <summary>The moment; false with the kind of fault when it is none.</summary>
    public bool TryRead(ReadOnlySpan<byte> field, out DateTimeOffset at, out string fault)
    {
        (at, fault) = (default, "impossible-date");
        if (format is "unix" or "unix_ms") return TryUnix(field, out at);
        if (field.Length > text.Length || !Encoding.UTF8.TryGetChars(field, text, out var length)) return false;
        var written = text.AsSpan(0, length).Trim();
        var (local, offset) = format == "iso" ? Iso(written) : Exact(written);
        if (local is not { } time) return false;
        if (offset is { } given)
        {
            return TryMake(time, given, out at);
        }

        if (zone is null)
        {
            fault = "missing-offset";
            return false;
        }

        fault = "nonexistent-local-time";
        if (zone.IsInvalidTime(time)) return false;
        fault = "impossible-date";
        if (!TryMake(time, zone.IsAmbiguousTime(time) ? OffsetOfAmbiguous(time) : zone.GetUtcOffset(time), out at)) return false;
        (lastLocal, lastUtc) = (time, at.UtcDateTime);
        return true;
    }

    private static bool TryMake(DateTime time, TimeSpan offset, out DateTimeOffset at)
    {
        var utc = time.Ticks - offset.Ticks;
        var possible = utc >= 0 && utc <= DateTime.MaxValue.Ticks && Math.Abs(offset.TotalHours) <= 14 && offset.Ticks % TimeSpan.TicksPerMinute == 0;
        at = possible ? new(time, offset) : default;
        return possible;
    }

    // Rows go forward in time or backward; the one before tells which of the two moments continues the walk.
    private TimeSpan OffsetOfAmbiguous(DateTime local)
    {
        var offsets = zone!.GetAmbiguousTimeOffsets(local);
        TimeSpan first = offsets.Max(), second = offsets.Min();
        if (lastLocal == default || Math.Abs((local - lastLocal).TotalHours) > 24) return first;
        if (zone.IsAmbiguousTime(lastLocal))
        {
            var lastWasFirst = lastLocal - lastUtc == first;
            if (descending) return lastWasFirst || local >= lastLocal ? first : second;
            return lastWasFirst && local > lastLocal ? first : second;
        }

        descending = lastUtc > local - second;
        return descending ? second : first;
    }

    private bool TryUnix(ReadOnlySpan<byte> field, out DateTimeOffset at)
    {
        at = default;
        if (!Utf8Parser.TryParse(field, out double number, out var used) || used != field.Length || !double.IsFinite(number)) return false;
        var micros = Math.Round(number * (format == "unix" ? 1e6 : 1e3));
        if (Math.Abs(micros) > 2e17) return false;
        at = DateTimeOffset.UnixEpoch.AddMicroseconds((long)micros);
        if (zone is not null) at = TimeZoneInfo.ConvertTime(at, zone);
        return true;
    }

    private (DateTime?, TimeSpan?) Exact(ReadOnlySpan<char> written)
    {
        const DateTimeStyles Blanks = DateTimeStyles.AllowWhiteSpaces;
        var midnight = written.IndexOf("24:00");
        if (HasOffset(format))
            return DateTimeOffset.TryParseExact(written, format, CultureInfo.InvariantCulture, Blanks, out var at) ? (at.DateTime, at.Offset) : default;
        if (DateTime.TryParseExact(written, format, CultureInfo.InvariantCulture, Blanks, out var local)) return (Plain(local), null);
        // Meters close the day with 24:00, which is 00:00 of the next.
        if (midnight < 0 || !DateTime.TryParseExact($"{written[..midnight]}00:00{written[(midnight + 5)..]}", format, CultureInfo.InvariantCulture, Blanks, out local))
            return default;
        return local.Year < 9999 ? (Plain(local).AddDays(1), null) : default;
    }

    private static DateTime Plain(DateTime time) => DateTime.SpecifyKind(time, DateTimeKind.Unspecified);

    // 2024-03-01, 2024-03-01 08:00, 2024-03-01T08:00:00.123+01:00, …Z, …+0100, …+01
    private static (DateTime?, TimeSpan?) Iso(ReadOnlySpan<char> s)
    {
        if (s.Length < 10 || s[4] != '-' || s[7] != '-') return default;
        int year = Digits(s[..4]), month = Digits(s[5..7]), day = Digits(s[8..10]), hour = 0, minute = 0, second = 0;
        var ticks = 0L;
        var rest = s[10..];
        if (rest.Length > 0)
        {
            if (rest[0] is not ('T' or 't' or ' ') || rest.Length < 6 || rest[3] != ':') return default;
            (hour, minute) = (Digits(rest[1..3]), Digits(rest[4..6]));
            rest = rest[6..];
            if (rest.Length > 0 && rest[0] == ':')
            {
                if (rest.Length < 3) return default;
                second = Digits(rest[1..3]);
                rest = rest[3..];
                if (rest.Length > 1 && rest[0] is '.' or ',')
                {
                    var end = rest[1..].IndexOfAnyExceptInRange('0', '9');
                    var fraction = end < 0 ? rest[1..] : rest[1..(end + 1)];
                    if (fraction.Length == 0) return default;
                    for (var i = 0; i < 7; i++) ticks = ticks * 10 + (i < fraction.Length ? fraction[i] - '0' : 0);
                    rest = rest[(fraction.Length + 1)..];
                }
            }
        }

        var nextDay = hour == 24 && minute == 0 && second == 0 && ticks == 0;
        if (nextDay) hour = 0;
        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour is < 0 or > 23
            || minute is < 0 or > 59 || second is < 0 or > 59 || (nextDay && year == 9999)) return default;
        var time = new DateTime(year, month, day, hour, minute, second).AddTicks(ticks).AddDays(nextDay ? 1 : 0);
        rest = rest.TrimStart();
        if (rest.Length == 0) return (time, null);
        if (rest is "Z" or "z") return (time, TimeSpan.Zero);
        if (rest[0] is not ('+' or '-') || rest.Length is not (3 or 5 or 6) || (rest.Length == 6 && rest[3] != ':')) return default;
        int hours = Digits(rest[1..3]), minutes = rest.Length == 3 ? 0 : Digits(rest[^2..]);
        if (hours is < 0 or > 14 || minutes is < 0 or > 59) return default;
        var offset = new TimeSpan(hours, minutes, 0);
        return (time, rest[0] == '-' ? -offset : offset);
    }

    private static int Digits(ReadOnlySpan<char> two)
    {
        var value = 0;
        foreach (var c in two)
        {
            if (!char.IsAsciiDigit(c)) return -1;
            value = value * 10 + (c - '0');
        }

        return value;
    }

    private static bool HasOffset(string format)
    {
        var quoted = false;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] == '\\') i++;
            else if (format[i] is '\'' or '"') quoted = !quoted;
            else if (!quoted && format[i] is 'z' or 'K') return true;
        }

        return false;
    }

    private static string Translate(string? format)
    {
        if (format is null or "iso" or "unix" or "unix_ms") return format ?? "iso";
        if (!format.Contains('%', StringComparison.Ordinal)) return format.Length == 1 ? "%" + format : format;
        var net = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                if (char.IsAsciiLetter(format[i])) net.Append('\\');
                net.Append(format[i]);
                continue;
            }

            var plain = i + 1 < format.Length && format[i + 1] == '-';    // %-d: without a leading zero
            i += plain ? 2 : 1;
            net.Append((i < format.Length ? format[i] : ' ', plain) switch
            {
                ('Y', _) => "yyyy",
                ('y', _) => "yy",
                ('b', _) => "MMM",
                ('B', _) => "MMMM",
                ('a', _) => "ddd",
                ('A', _) => "dddd",
                ('p', _) => "tt",
                ('f', _) => "FFFFFF",
                ('z', _) => "zzz",
                ('F', _) => "yyyy-MM-dd",
                ('T', _) => "HH:mm:ss",
                ('%', _) => "\\%",
                ('m', false) => "MM",
                ('m', true) => "M",
                ('d', false) => "dd",
                ('d', true) or ('e', _) => "d",
                ('H', false) => "HH",
                ('H', true) => "H",
                ('I', false) => "hh",
                ('I', true) => "h",
                ('M', false) => "mm",
                ('M', true) => "m",
                ('S', false) => "ss",
                ('S', true) => "s",
                _ => throw new FormatException($"%{(i < format.Length ? format[i] : "")} is not known here."),
            });
        }

        return net.ToString();
    }
}
