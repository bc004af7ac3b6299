using System.Buffers.Text;
using System.Text;

namespace OpenReadings.Sync.Csv;

/// <summary>Encodings, delimiters and numbers of CSV files.</summary>
public static class CsvText
{
    private static readonly byte[] Delimiters = [.. ",;\t|"u8];

    /// <summary>The encoding of that name; null for one that is not offered.</summary>
    public static Encoding? EncodingOf(string name) => name.ToLowerInvariant() switch
    {
        "utf-8" or "utf8" => Encoding.UTF8,
        "latin1" or "latin-1" or "iso-8859-1" => Encoding.Latin1,
        "windows-1252" or "cp1252" => CodePagesEncodingProvider.Instance.GetEncoding(1252),
        "utf-16" or "utf-16le" => Encoding.Unicode,
        "utf-16be" => Encoding.BigEndianUnicode,
        _ => null,
    };

    /// <summary>The delimiter that the first lines have most often, in every one of them.</summary>
    public static byte DelimiterOf(ReadOnlySpan<byte> beginning, byte quote, string decimalSign, bool isWhole)
    {
        byte best = (byte)',';
        var most = 0;
        foreach (var candidate in Delimiters)
        {
            if (candidate == ',' && decimalSign == ",") continue;
            var least = int.MaxValue;
            var lines = 0;
            foreach (var range in beginning.Split((byte)'\n'))
            {
                var line = beginning[range].TrimEnd((byte)'\r');
                if (line.IsEmpty || (range.End.Value == beginning.Length && !isWhole && lines > 0)) continue;
                least = Math.Min(least, CountOutsideQuotes(line, candidate, quote));
                if (++lines == 10) break;
            }

            if (lines > 0 && least > most) (best, most) = (candidate, least);
        }

        return best;
    }

    /// <summary>A number with the signs that the file uses.</summary>
    public static bool TryNumber(ReadOnlySpan<byte> text, byte decimalSign, byte thousands, out double value)
    {
        value = 0;
        if (text.Length > 64) return false;
        if (decimalSign != '.' || (thousands != 0 && text.Contains(thousands)))
        {
            Span<byte> plain = stackalloc byte[64];
            var length = 0;
            foreach (var b in text)
            {
                if (b == thousands && thousands != 0) continue;
                if (b == '.' && decimalSign != '.') return false;
                plain[length++] = b == decimalSign ? (byte)'.' : b;
            }

            return Parse(plain[..length], out value);
        }

        return Parse(text, out value);
    }

    private static bool Parse(ReadOnlySpan<byte> text, out double value) =>
        Utf8Parser.TryParse(text, out value, out var used) && used == text.Length && used > 0;

    private static int CountOutsideQuotes(ReadOnlySpan<byte> line, byte candidate, byte quote)
    {
        var (count, inside) = (0, false);
        foreach (var b in line)
        {
            if (b == quote) inside = !inside;
            else if (b == candidate && !inside) count++;
        }

        return count;
    }
}
