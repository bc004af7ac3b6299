using OpenReadings.Sync.Files;

namespace OpenReadings.Sync.Csv;

/// <summary>What <see cref="CsvRows.Read"/> stands on.</summary>
public enum CsvToken
{
    End,
    Row,

    /// <summary>A line that is no row; <see cref="CsvRows.Fault"/> says why. The next line is read as if nothing had been.</summary>
    Broken,
}

/// <summary>
/// The rows of a CSV file (RFC 4180, any delimiter and quote) in constant memory, with line and offset of each. A quote that
/// is never closed costs its own line and not the rest of the file.
/// </summary>
public sealed class CsvRows(ByteWindow window, byte delimiter, byte quote) : IDisposable
{
    private const int MostFields = 2_000, LongestQuoted = 64 * 1024;
    private readonly List<(int Start, int Length, bool Quoted)> fields = [];
    private byte[] scratch = new byte[256];
    private int length;

    public string Fault { get; private set; } = "";

    /// <summary>Line on which the row begins.</summary>
    public long Line => window.Line;

    public long NextOffset => window.Offset + length;

    public long NextLine => window.Line + window.Rest[..length].Count((byte)'\n');

    /// <summary>The row ended with the file and not with a line's end.</summary>
    public bool IsLastWithoutEnd { get; private set; }

    /// <summary>A broken row that ends with the file.</summary>
    public bool AtEnd => window.Ended && length == window.Rest.Length;

    public int Count => fields.Count;

    /// <summary>The whole row as it stands in the file.</summary>
    public ReadOnlySpan<byte> Raw => window.Rest[..length];

    /// <summary>A field without its quotes and the blanks around it. Valid until the next call.</summary>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            var (start, count, quoted) = fields[index];
            var field = window.Rest.Slice(start, count);
            return quoted && field.Contains(quote) ? Unescape(field) : field.Trim((byte)' ');
        }
    }

    public CsvToken Read()
    {
        window.Advance(length);
        length = 0;
        while (true)
        {
            if (window.Rest.IsEmpty && !window.More()) return CsvToken.End;
            if (Parse(window.Rest, window.Ended) is { } token) return token;
            if (window.More() || window.Ended) continue;
            return Broken(LineEnd(), "The row is longer than it may be.");
        }
    }

    /// <summary>Forgets the row it stands on; the window is about to be moved.</summary>
    public void Leave()
    {
        fields.Clear();
        length = 0;
    }

    public void Dispose() => window.Dispose();

    // Null: the row goes on behind what is in the window.
    private CsvToken? Parse(ReadOnlySpan<byte> rest, bool ended)
    {
        fields.Clear();
        for (var at = 0; ;)
        {
            int start = at, end;
            var quoted = at < rest.Length && rest[at] == quote;
            if (quoted)
            {
                start++;
                end = ClosingQuote(rest, start);
                if (end < 0)
                    return ended || rest.Length - start > LongestQuoted ? Broken(LineEnd(), "A quote is not closed.") : null;
                at = end + 1;
                if (at == rest.Length && !ended) return null;
                if (at < rest.Length && rest[at] != delimiter && rest[at] is not ((byte)'\r' or (byte)'\n'))
                    return Broken(LineEnd(), "Something stands behind a closing quote.");
            }
            else
            {
                var found = rest[at..].IndexOfAny(delimiter, (byte)'\n');
                if (found < 0 && !ended) return null;
                end = at = found < 0 ? rest.Length : at + found;
                if (end > start && rest[end - 1] == '\r' && (end == rest.Length || rest[end] == '\n')) end--;
            }

            if (fields.Count == MostFields) return Broken(LineEnd(), $"The row has more than {MostFields} fields.");
            fields.Add((start, end - start, quoted));
            if (at < rest.Length && rest[at] == delimiter)
            {
                at++;
                continue;
            }

            if (at < rest.Length && rest[at] == '\r') at++;
            if (at == rest.Length && !ended) return null;
            IsLastWithoutEnd = at == rest.Length;
            length = Math.Min(at + 1, rest.Length);
            return CsvToken.Row;
        }
    }

    private int ClosingQuote(ReadOnlySpan<byte> rest, int start)
    {
        for (var at = start; ;)
        {
            var found = rest[at..].IndexOf(quote);
            if (found < 0) return -1;
            at += found;
            if (at + 1 >= rest.Length || rest[at + 1] != quote) return at;
            at += 2;
        }
    }

    private CsvToken Broken(int consumed, string fault)
    {
        fields.Clear();
        (length, Fault) = (consumed, fault);
        return CsvToken.Broken;
    }

    private int LineEnd()
    {
        var end = window.Rest.IndexOf((byte)'\n');
        return end < 0 ? window.Rest.Length : end + 1;
    }

    private ReadOnlySpan<byte> Unescape(ReadOnlySpan<byte> field)
    {
        if (scratch.Length < field.Length) scratch = new byte[field.Length];
        var written = 0;
        for (var i = 0; i < field.Length; i++)
        {
            scratch[written++] = field[i];
            if (field[i] == quote) i++;
        }

        return scratch.AsSpan(0, written);
    }
}
