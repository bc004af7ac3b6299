using System.Globalization;
using OpenReadings.Units;

namespace OpenReadings.Sync.Importing;

/// <summary>What one request to <c>readings</c> carries: of one source, with the line of each item in the file.</summary>
public abstract class Batch(Source source, int lane) : IDisposable
{
    /// <summary>As many items as <c>readings</c> takes in one request.</summary>
    public const int MostItems = 10_000;

    public Source Source => source;

    /// <summary>Batches of one lane are sent one after the other, so that of two values for one time the later one in the file wins.</summary>
    public int Lane => lane;

    /// <summary>Where it is posted, below the source.</summary>
    public abstract string Path { get; }

    /// <summary>How many items it carries.</summary>
    public abstract int Count { get; }

    /// <summary>The metrics that the source must have before.</summary>
    public abstract IEnumerable<Metric> Metrics { get; }

    /// <summary>How values become the units in which the source keeps its metrics.</summary>
    public IReadOnlyDictionary<string, Converter?>? Converters { get; set; }

    /// <summary>How many items there are of each kind, as the receipt counts them.</summary>
    public abstract IEnumerable<KeyValuePair<string, int>> Types { get; }

    /// <summary>Writes the body. Values are converted where the source keeps a metric in another unit.</summary>
    public abstract void Write(PooledBuffer body, Func<Metric, Converter?> converterOf);

    /// <summary>The line and the kind of the item that a JSON pointer of the answer names, and for how many items it stands.</summary>
    public abstract (long Line, string Record, int Items) Find(string[] pointer);

    public abstract void Dispose();

    private protected static int IndexIn(string[] pointer, int part, int count) =>
        pointer.Length > part && int.TryParse(pointer[part], NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < count ? index : -1;

    private protected static void Number(PooledBuffer body, double value)
    {
        value.TryFormat(body.GetSpan(32), out var written, default, CultureInfo.InvariantCulture);
        body.Advance(written);
    }
}

/// <summary>Values of single metrics, each with its time: <c>{"columns": [{"metric", "at": […], "values": […]}, …]}</c>.</summary>
public sealed class ColumnBatch(Source source, int lane) : Batch(source, lane)
{
    private readonly List<Column> columns = [];
    private int count;

    public override string Path => "readings";
    public override int Count => count;
    public override IEnumerable<Metric> Metrics => columns.Select(column => column.Metric);
    public override IEnumerable<KeyValuePair<string, int>> Types => columns.Select(column => KeyValuePair.Create(column.Metric.Name, column.Values.Count));

    /// <summary>Its column of the metric, made when it is not there.</summary>
    public Column ColumnOf(Metric metric)
    {
        foreach (var column in columns)
            if (ReferenceEquals(column.Metric, metric)) return column;
        var made = new Column(metric);
        columns.Add(made);
        return made;
    }

    public void Add(Column column, ReadOnlySpan<byte> at, double value, long line)
    {
        column.Add(at, value, line);
        count++;
    }

    public override void Write(PooledBuffer body, Func<Metric, Converter?> converterOf)
    {
        body.Append("{\"columns\":["u8);
        foreach (var column in columns)
        {
            body.Append("{\"metric\":"u8);
            body.Append(System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(column.Metric.Name));
            body.Append(",\"at\":["u8);
            body.Append(column.At.Written.Span[..^1]);
            body.Append("],\"values\":["u8);
            var convert = converterOf(column.Metric);
            foreach (var value in column.Values.Items)
            {
                Number(body, convert is null ? value : convert.Convert(value));
                body.Append(","u8);
            }

            body.Shorten(1);
            body.Append("]},"u8);
        }

        body.Shorten(1);
        body.Append("]}"u8);
    }

    public override (long Line, string Record, int Items) Find(string[] pointer)
    {
        var column = IndexIn(pointer, 1, columns.Count) is >= 0 and var index ? columns[index] : columns[0];
        var item = IndexIn(pointer, 3, column.Lines.Count);
        return item >= 0 ? (column.Lines.Items[item], column.Metric.Name, 1) : (column.Lines.Items[0], column.Metric.Name, column.Lines.Count);
    }

    public override void Dispose()
    {
        foreach (var column in columns) column.Dispose();
    }
}

/// <summary>One metric's times and values; the times are the JSON text that is sent, each followed by a comma.</summary>
public sealed class Column(Metric metric) : IDisposable
{
    public Metric Metric => metric;
    public PooledBuffer At { get; } = new();
    public PooledList<double> Values { get; } = new();
    public PooledList<long> Lines { get; } = new();

    public void Add(ReadOnlySpan<byte> at, double value, long line)
    {
        At.AppendQuoted(at);
        Values.Add(value);
        Lines.Add(line);
    }

    public void Dispose()
    {
        At.Dispose();
        Values.Dispose();
        Lines.Dispose();
    }
}

/// <summary>Values of several metrics at one time: <c>{"readings": [{"at", "values": {…}}, …]}</c>.</summary>
public sealed class RowBatch(Source source, int lane, Metric[] metrics) : Batch(source, lane)
{
    private readonly byte[][] names = [.. metrics.Select(metric => (byte[])[.. System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(metric.Name), (byte)':'])];
    private readonly PooledBuffer at = new();
    private readonly PooledList<int> ends = new();
    private readonly PooledList<double> values = new();
    private readonly PooledList<long> lines = new();

    public override string Path => "readings";
    public override int Count => lines.Count;
    public override IEnumerable<Metric> Metrics => metrics;
    public override IEnumerable<KeyValuePair<string, int>> Types =>
        metrics.Select((metric, slot) => KeyValuePair.Create(metric.Name, Present(slot))).Where(type => type.Value > 0);

    public bool Holds(Metric[] others) => metrics.AsSpan().SequenceEqual(others);

    public void Add(ReadOnlySpan<byte> time, ReadOnlySpan<double> row, long line)
    {
        at.AppendQuoted(time);
        ends.Add(at.Length);
        foreach (var value in row) values.Add(value);
        lines.Add(line);
    }

    public override void Write(PooledBuffer body, Func<Metric, Converter?> converterOf)
    {
        var converters = metrics.Select(converterOf).ToArray();
        var start = 0;
        ReadOnlySpan<byte> times = at.Written.Span;
        var all = values.Items;
        body.Append("{\"readings\":["u8);
        for (var row = 0; row < lines.Count; row++)
        {
            body.Append("{\"at\":"u8);
            body.Append(times[start..ends.Items[row]]);
            body.Append("\"values\":{"u8);
            start = ends.Items[row];
            for (var slot = 0; slot < metrics.Length; slot++)
            {
                var value = all[row * metrics.Length + slot];
                if (double.IsNaN(value)) continue;
                body.Append(names[slot]);
                Number(body, converters[slot] is { } convert ? convert.Convert(value) : value);
                body.Append(","u8);
            }

            body.Shorten(1);
            body.Append("}},"u8);
        }

        body.Shorten(1);
        body.Append("]}"u8);
    }

    public override (long Line, string Record, int Items) Find(string[] pointer)
    {
        var record = pointer.Length > 3 ? pointer[3] : metrics[0].Name;
        return IndexIn(pointer, 1, lines.Count) is >= 0 and var row ? (lines.Items[row], record, 1) : (lines.Items[0], record, lines.Count);
    }

    public override void Dispose()
    {
        at.Dispose();
        ends.Dispose();
        values.Dispose();
        lines.Dispose();
    }

    private int Present(int slot)
    {
        var present = 0;
        for (var i = slot; i < values.Count; i += metrics.Length)
            if (!double.IsNaN(values.Items[i])) present++;
        return present;
    }
}

/// <summary>Events with a beginning and an end: <c>{"events": […]}</c>.</summary>
public sealed class EventBatch(Source source, int lane) : Batch(source, lane)
{
    /// <summary>As many as <c>readings</c> takes in one request.</summary>
    public const int MostEvents = 1_000;

    // readings takes a megabyte of events, and a character may become six bytes of JSON.
    private const int MostCharacters = 120_000;
    private readonly List<(Happening Happening, long Line)> events = [];
    private int characters;

    public override string Path => "events";
    public override int Count => events.Count;
    public override IEnumerable<Metric> Metrics => [];
    public override IEnumerable<KeyValuePair<string, int>> Types =>
        events.CountBy(item => item.Happening.Kind).Select(kind => KeyValuePair.Create(kind.Key, kind.Value));

    public bool IsFull => events.Count == MostEvents || characters > MostCharacters;

    public void Add(Happening happening, long line)
    {
        events.Add((happening, line));
        characters += happening.Length;
    }

    public override void Write(PooledBuffer body, Func<Metric, Converter?> converterOf)
    {
        using var writer = new System.Text.Json.Utf8JsonWriter(body);
        System.Text.Json.JsonSerializer.Serialize(writer, new { Events = events.Select(item => item.Happening) }, Wire.Json);
    }

    public override (long Line, string Record, int Items) Find(string[] pointer)
    {
        var item = IndexIn(pointer, 1, events.Count);
        var (happening, line) = events[Math.Max(item, 0)];
        return (line, happening.Kind, item < 0 ? events.Count : 1);
    }

    public override void Dispose() => events.Clear();
}

/// <summary>Nothing but the source: it is made as it was declared.</summary>
public sealed class DeclarationBatch(Source source) : Batch(source, 0)
{
    public override string Path => "";
    public override int Count => 0;
    public override IEnumerable<Metric> Metrics => [];
    public override IEnumerable<KeyValuePair<string, int>> Types => [];
    public override void Write(PooledBuffer body, Func<Metric, Converter?> converterOf) { }
    public override (long Line, string Record, int Items) Find(string[] pointer) => (1, "", 0);
    public override void Dispose() { }
}
