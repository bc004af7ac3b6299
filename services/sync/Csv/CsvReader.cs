using System.Text;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;
using OpenReadings.Units;

namespace OpenReadings.Sync.Csv;

/// <summary>Reads a CSV file forward in constant memory, as its mapping says. A row is taken as a whole or rejected as a whole.</summary>
public sealed class CsvReader : IFileReader
{
    private readonly CsvMapping mapping;
    private readonly Source source;
    private readonly IRecords to;
    private readonly CsvRows rows;
    private readonly CsvClock clock;
    private readonly Metric[] metrics;
    private readonly int[] columns;
    private readonly double[] scales;
    private readonly double[] values;
    private readonly byte[][] nulls;
    private readonly byte[] comment;
    private readonly byte decimalSign, thousands;
    private readonly int dateColumn, timeColumn, lastColumn, width;
    private readonly byte[] at = new byte[Rfc3339.Longest];
    private readonly byte[] joined = new byte[128];
    private bool pending;

    public CsvReader(ByteWindow window, CsvMapping mapping, Source source, IRecords to)
    {
        (this.mapping, this.source, this.to) = (mapping, source, to);
        SkipLines(window, mapping.SkipLines);
        var quote = (byte)mapping.Quote[0];
        comment = Encoding.UTF8.GetBytes(mapping.Comment ?? "");
        rows = new(window, mapping.Delimiter is [var given] ? (byte)given : Detect(window, quote), quote);
        clock = new(mapping.Time.Format, mapping.TimeZone);
        decimalSign = (byte)mapping.Decimal[0];
        thousands = mapping.Thousands is [var sign and <= '\x7f'] ? (byte)sign : (byte)0;
        nulls = [.. mapping.Null.Select(Encoding.UTF8.GetBytes)];

        var names = Header(mapping.Header);
        width = names.Count;
        int Find(CsvColumn column) => column.Name is null
            ? column.Number <= width ? column.Number - 1 : throw Unknown($"column {column.Number}", names)
            : mapping.Header && names.FindIndex(name => name == column.Name) is >= 0 and var exact ? exact
            : mapping.Header && names.FindIndex(name => name.Equals(column.Name, StringComparison.OrdinalIgnoreCase)) is >= 0 and var found ? found
            : throw Unknown($"the column '{column.Name}'", names);
        dateColumn = Find(mapping.Time.Column ?? mapping.Time.Date!);
        timeColumn = mapping.Time.Time is { } time ? Find(time) : -1;
        columns = [.. mapping.Metrics.Select(metric => Find(metric.Column))];
        lastColumn = Math.Max(Math.Max(dateColumn, timeColumn), columns.Max());
        scales = [.. mapping.Metrics.Select(metric => metric.Scale ?? 1)];
        metrics = [.. mapping.Metrics.Select((metric, index) =>
            new Metric(metric.Name, Unit.Parse(metric.Unit).Code, metric.Type, metric.Counter) { Index = index, Group = 0 })];
        values = new double[metrics.Length];
    }

    public long Records { get; private set; }

    public bool CutShort { get; private set; }

    public (long Offset, long Line) Position => (rows.NextOffset, rows.NextLine);

    public string? State => clock.State;

    /// <summary>Goes on where an earlier reader stood.</summary>
    public void Resume(ByteWindow window, long offset, long line, string? state)
    {
        pending = false;
        rows.Leave();
        window.SkipTo(offset, line);
        if (state is not null) clock.Restore(state);
    }

    public bool Read(int most)
    {
        for (var read = 0; read < most; read++)
        {
            var token = pending ? CsvToken.Row : rows.Read();
            pending = false;
            if (token == CsvToken.End) return false;
            if (token == CsvToken.Broken)
            {
                Records++;
                CutShort |= rows.AtEnd;
                to.Reject(rows.Line, null, rows.AtEnd ? "truncated-file" : "malformed-row", rows.Fault);
            }
            else if (!IsNothing()) Row();
        }

        return true;
    }

    public void Dispose() => rows.Dispose();

    private void Row()
    {
        Records++;
        // Where the last line is shorter than the others, its last field may be half a number.
        var isCut = rows.IsLastWithoutEnd && rows.Count < width;
        if (isCut || rows.Count <= lastColumn)
        {
            CutShort |= isCut;
            to.Reject(rows.Line, null, isCut ? "truncated-file" : "too-few-fields", $"The row has {rows.Count} fields, not {width}.");
            return;
        }

        if (!clock.TryRead(Time(), out var moment, out var fault))
        {
            to.Reject(rows.Line, null, fault, $"'{Shown(Time())}' {Explain(fault)}");
            return;
        }

        var any = false;
        for (var i = 0; i < columns.Length; i++)
        {
            values[i] = double.NaN;
            var field = rows[columns[i]];
            if (IsNull(field)) continue;
            if (!CsvText.TryNumber(field, decimalSign, thousands, out var value))
            {
                to.Reject(rows.Line, metrics[i].Name, "not-a-number", $"'{Shown(field)}' is not a number.");
                return;
            }

            values[i] = value * scales[i];
            if (!double.IsFinite(values[i]))
            {
                to.Reject(rows.Line, metrics[i].Name, "not-finite", $"'{Shown(field)}' is not a finite number.");
                return;
            }

            any = true;
        }

        if (any) to.Row(source, metrics, at.AsSpan(0, Rfc3339.Write(moment, at)), values, rows.Line);
        else to.Skip("row without a value");
    }

    private ReadOnlySpan<byte> Time()
    {
        if (timeColumn < 0) return rows[dateColumn];
        var date = rows[dateColumn];
        if (date.Length > 60) return date;
        date.CopyTo(joined);
        joined[date.Length] = (byte)' ';
        var time = rows[timeColumn];
        time = time[..Math.Min(time.Length, 60)];
        time.CopyTo(joined.AsSpan(date.Length + 1));
        return joined.AsSpan(0, date.Length + 1 + time.Length);
    }

    private bool IsNull(ReadOnlySpan<byte> field)
    {
        foreach (var token in nulls)
            if (field.SequenceEqual(token)) return true;
        return false;
    }

    private bool IsNothing() =>
        (rows.Count == 1 && rows[0].IsEmpty) || (comment.Length > 0 && rows.Raw.StartsWith(comment));

    private List<string> Header(bool named)
    {
        while (true)
        {
            var token = rows.Read();
            if (token == CsvToken.End) throw new FileRefusedException("no-rows", "The file has no rows.");
            if (token == CsvToken.Broken || IsNothing()) continue;
            var names = new List<string>(rows.Count);
            for (var i = 0; i < rows.Count; i++) names.Add(Encoding.UTF8.GetString(rows[i]));
            pending = !named;
            return names;
        }
    }

    private byte Detect(ByteWindow window, byte quote)
    {
        while (window.Rest.Length < 16 * 1024 && window.More()) { }
        return CsvText.DelimiterOf(window.Rest[..Math.Min(window.Rest.Length, 16 * 1024)], quote, mapping.Decimal, window.Ended);
    }

    private static void SkipLines(ByteWindow window, int count)
    {
        while (window.Rest.Length < 3 && window.More()) { }
        if (window.Rest.StartsWith("\uFEFF"u8)) window.Advance(3);
        while (count > 0)
        {
            var end = window.Rest.IndexOf((byte)'\n');
            window.Advance(end < 0 ? window.Rest.Length : end + 1);
            if (end >= 0) count--;
            else if (!window.More()) return;
        }
    }

    private static FileRefusedException Unknown(string what, List<string> names) => new("unknown-column",
        $"The file has not {what}. It has {names.Count}: {string.Join(", ", names.Take(40).Select(name => name.Length > 60 ? name[..60] : name))}.");

    private static string Explain(string fault) => fault switch
    {
        "missing-offset" => "has no offset, and the mapping says no time_zone.",
        "nonexistent-local-time" => "was skipped by the clock when summer time began.",
        _ => "is not a time of the mapping's format.",
    };

    private static string Shown(ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text.Length > 60 ? text[..60] : text);
}
