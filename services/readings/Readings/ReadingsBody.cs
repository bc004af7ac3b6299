using System.Text;
using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Reads the body of a write straight into arrays, in one pass and without an object for each reading. A row
/// (<c>{"at", "values": {…}}</c>) and a column (<c>{"metric", "at": […], "values": […]}</c>) may stand wherever the other
/// may. Faults of an item reject that item; a body that is not JSON is refused as a whole.
/// </summary>
internal sealed class ReadingsBody(KnownSource source, DateTimeOffset now)
{
    public const int MaxItems = 10_000;

    private readonly long latest = Timestamp.Of(now.AddDays(1));
    private readonly Dictionary<int, SeriesRows> series = [];
    private readonly List<ProblemItem> rejected = [];
    private readonly List<Cell> cells = [];                     // of the row being read
    private readonly List<Time> times = [];                     // of the column being read
    private readonly List<Number> numbers = [];
    private int expected;                                       // rows name their metrics in the same order again and again

    /// <summary>How many items were given, good and bad.</summary>
    public int Items { get; private set; }

    public IReadOnlyList<ProblemItem> Rejected => rejected;

    /// <summary>Each item was rejected, and because it names something that was shared for reading only.</summary>
    public bool IsWhollyTooLow => rejected.Count > 0 && rejected.Count == Items && rejected.TrueForAll(item => item.Type == KnownSource.TooLow);

    /// <summary>Rows by series, in ascending order of the series: the order in which they are locked.</summary>
    public IEnumerable<SeriesRows> Series => series.Values.OrderBy(rows => rows.SeriesId);

    private enum NumberFault : byte { None, NotANumber, NotFinite }
    private readonly record struct Time(long At, short Offset, TimeFault Fault);
    private readonly record struct Number(double Value, NumberFault Fault);
    private readonly record struct Cell(Metric Metric, double Value);

    // Where an item stands in the body. Its text is made only for a fault.
    private readonly record struct Place(string? List, int Index)
    {
        public override string ToString() => List is null ? $"/{Index}" : $"/{List}/{Index}";
    }

    public void ReadJson(ReadOnlySpan<byte> body)
    {
        if (body.StartsWith(Encoding.UTF8.Preamble)) body = body[Encoding.UTF8.Preamble.Length..];
        var json = new Utf8JsonReader(body);
        try
        {
            var found = false;
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) throw Shapeless();
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var list = json.ValueTextEquals("readings"u8) ? "readings" : json.ValueTextEquals("columns"u8) ? "columns" : null;
                json.Read();
                if (list is null)
                {
                    json.Skip();
                    continue;
                }
                if (json.TokenType != JsonTokenType.StartArray) throw Shapeless();
                found = true;
                for (var index = 0; json.Read() && json.TokenType != JsonTokenType.EndArray; index++) ReadItem(ref json, new Place(list, index));
            }
            if (json.Read()) throw Shapeless();
            if (!found) throw Shapeless();
        }
        catch (JsonException e)
        {
            throw Malformed(e);
        }
    }

    /// <summary>One row or column a line. A line that is not JSON is rejected like any bad item.</summary>
    public void ReadLines(ReadOnlySpan<byte> body)
    {
        if (body.StartsWith(Encoding.UTF8.Preamble)) body = body[Encoding.UTF8.Preamble.Length..];
        for (var index = 0; !body.IsEmpty; index++)
        {
            var end = body.IndexOf((byte)'\n');
            var line = (end < 0 ? body : body[..end]).Trim(" \t\r"u8);
            body = end < 0 ? [] : body[(end + 1)..];
            if (line.IsEmpty) continue;
            var before = Items;
            try
            {
                var json = new Utf8JsonReader(line);
                json.Read();
                // A line is taken as a whole or not at all: what follows the object must not come to light afterwards.
                var whole = json;
                whole.Skip();
                if (whole.Read()) throw new JsonException();
                ReadItem(ref json, new Place(null, index));
            }
            catch (JsonException)
            {
                Count(Math.Max(0, before + 1 - Items));
                rejected.Add(new($"/{index}", "malformed-json", "The line is not JSON."));
            }
        }
    }

    /// <summary>Takes one row that was read elsewhere. The first fault, if it has one: then nothing of it is taken.</summary>
    public ProblemItem? Take(long at, short offset, IReadOnlyDictionary<string, double> values)
    {
        Count(1);
        foreach (var (name, value) in values)
        {
            if (source.Find(name) is null) return new($"/values/{Escape(name)}", "unknown-metric", Unknown(name));
            if (!double.IsFinite(value)) return new($"/values/{Escape(name)}", "not-finite", "The value is not a finite number.");
        }
        foreach (var (name, value) in values)
        {
            var metric = source.Find(name)!;
            RowsOf(metric).Add(Items - 1, at, offset, metric, value);
        }
        return null;
    }

    private void ReadItem(ref Utf8JsonReader json, Place place)
    {
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            Count(1);
            Reject(place, "", "not-an-object", "A reading is an object with 'at' and 'values'.");
            return;
        }
        cells.Clear();
        times.Clear();
        numbers.Clear();
        Time? at = null;
        string? metricName = null;
        ProblemItem? fault = null;
        bool isColumn = false, hasValues = false;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("at"u8))
            {
                json.Read();
                if (json.TokenType == JsonTokenType.StartArray)
                {
                    isColumn = true;
                    while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                    {
                        if (times.Count == MaxItems) throw TooMany();
                        times.Add(ReadTime(ref json));
                    }
                }
                else at = ReadTime(ref json);
            }
            else if (json.ValueTextEquals("values"u8))
            {
                json.Read();
                hasValues = true;
                if (json.TokenType == JsonTokenType.StartArray)
                {
                    isColumn = true;
                    while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                    {
                        if (numbers.Count == MaxItems) throw TooMany();
                        numbers.Add(ReadNumber(ref json));
                    }
                }
                else if (json.TokenType == JsonTokenType.StartObject) fault = ReadCells(ref json, place, fault);
                else
                {
                    json.Skip();
                    hasValues = false;
                }
            }
            else if (json.ValueTextEquals("metric"u8))
            {
                json.Read();
                isColumn = true;
                metricName = json.TokenType == JsonTokenType.String ? Text(ref json) : null;
                if (json.TokenType != JsonTokenType.String) json.Skip();
            }
            else
            {
                json.Read();
                json.Skip();
            }
        }
        if (isColumn) TakeColumn(place, metricName);
        else TakeRow(place, at, hasValues, fault);
    }

    private void TakeRow(Place place, Time? at, bool hasValues, ProblemItem? fault)
    {
        Count(1);
        if (at is not { } time) Reject(place, "/at", "missing-time", "A reading needs 'at'.");
        else if (TimeFaultOf(time) is { } late) Reject(place, "/at", late.Type, late.Detail);
        else if (fault is not null) rejected.Add(fault);
        else if (!hasValues || cells.Count == 0) Reject(place, "/values", "missing-values", "A reading needs 'values' with at least one metric.");
        else if (ClosedAt(time.At) is { } open) Reject(place, "/at", Windows.Outside, open.Text);
        else
            foreach (var cell in cells) RowsOf(cell.Metric).Add(Items - 1, time.At, time.Offset, cell.Metric, cell.Value);
    }

    private void TakeColumn(Place place, string? metricName)
    {
        var metric = metricName is null ? null : source.Find(metricName);
        if (times.Count != numbers.Count)
            throw new ProblemException(400, "columns-uneven", "A column needs as many times as values, and nothing was stored.",
                new ProblemItem(place.ToString(), "columns-uneven", $"{times.Count} times, {numbers.Count} values."));
        if (Items + times.Count > MaxItems) throw TooMany();
        var rows = metric is null ? null : RowsOf(metric);
        for (var i = 0; i < times.Count; i++)
        {
            Count(1);
            if (rows is null) Reject(place, "/metric", "unknown-metric", Unknown(metricName));
            else if (!source.MayWrite(metric!)) Reject(place, "/metric", KnownSource.TooLow, ForReading(metric!));
            else if (TimeFaultOf(times[i]) is { } late) Reject(place, $"/at/{i}", late.Type, late.Detail);
            else if (NumberFaultOf(numbers[i]) is { } bad) Reject(place, $"/values/{i}", bad.Type, bad.Detail);
            else if (metric!.ClosedAt(times[i].At) is { } open) Reject(place, $"/at/{i}", Windows.Outside, open.Text);
            else rows.Add(Items - 1, times[i].At, times[i].Offset, metric, numbers[i].Value);
        }
    }

    private Windows? ClosedAt(long at)
    {
        foreach (var cell in cells)
            if (cell.Metric.ClosedAt(at) is { } open) return open;
        return null;
    }

    // The first fault: the one that was there already, or one of these.
    private ProblemItem? ReadCells(ref Utf8JsonReader json, Place place, ProblemItem? fault)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var metric = FindMetric(ref json);
            var name = metric is null || fault is null ? metric?.Name ?? Text(ref json) : null;
            json.Read();
            var number = ReadNumber(ref json);
            if (metric is null) fault ??= new($"{place}/values/{Escape(name!)}", "unknown-metric", Unknown(name));
            else if (!source.MayWrite(metric)) fault ??= new($"{place}/values/{Escape(metric.Name)}", KnownSource.TooLow, ForReading(metric));
            else if (NumberFaultOf(number) is { } bad) fault ??= new($"{place}/values/{Escape(metric.Name)}", bad.Type, bad.Detail);
            else cells.Add(new(metric, number.Value));
        }
        return fault;
    }

    private Metric? FindMetric(ref Utf8JsonReader json)
    {
        var metrics = source.Metrics;
        for (var i = 0; i < metrics.Length; i++)
        {
            var candidate = (expected + i) % metrics.Length;
            if (!json.ValueTextEquals(metrics[candidate].Utf8)) continue;
            expected = (candidate + 1) % metrics.Length;
            return metrics[candidate];
        }
        return null;
    }

    private static Time ReadTime(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.String)
        {
            json.Skip();
            return new(0, 0, TimeFault.NotATime);
        }
        if (!json.ValueIsEscaped) return Of(json.ValueSpan);
        if (json.ValueSpan.Length > 200) return new(0, 0, TimeFault.NotATime);
        Span<byte> unescaped = stackalloc byte[200];
        return Of(unescaped[..json.CopyString(unescaped)]);

        static Time Of(ReadOnlySpan<byte> text)
        {
            var fault = Timestamp.Parse(text, out var at, out var offset);
            return new(at, offset, fault);
        }
    }

    private static Number ReadNumber(ref Utf8JsonReader json)
    {
        if (json.TokenType == JsonTokenType.Number)
        {
            var value = json.GetDouble();                       // 1e999 is infinite, not an error
            return new(value, double.IsFinite(value) ? NumberFault.None : NumberFault.NotFinite);
        }
        var isNonFinite = json.TokenType == JsonTokenType.String
            && (json.ValueTextEquals("NaN"u8) || json.ValueTextEquals("Infinity"u8) || json.ValueTextEquals("-Infinity"u8));
        json.Skip();
        return new(0, isNonFinite ? NumberFault.NotFinite : NumberFault.NotANumber);
    }

    private (string Type, string Detail)? TimeFaultOf(Time time) => time.Fault switch
    {
        TimeFault.None when time.At < Timestamp.Earliest => ("impossible-date", "A reading is not older than the year 1900."),
        TimeFault.None when time.At > latest => ("impossible-date", "A reading is not from the future."),
        TimeFault.None => null,
        TimeFault.MissingOffset => ("missing-offset", "The time has no offset: end it with Z or one such as +02:00."),
        TimeFault.ImpossibleDate => ("impossible-date", "There is no such date, time or offset."),
        _ => ("not-a-time", "The time is not RFC 3339, such as 2026-11-20T20:57:14+01:00."),
    };

    private static (string Type, string Detail)? NumberFaultOf(Number number) => number.Fault switch
    {
        NumberFault.None => null,
        NumberFault.NotFinite => ("not-finite", "The value is not a finite number."),
        _ => ("not-a-number", "The value is not a number."),
    };

    private SeriesRows RowsOf(Metric metric)
    {
        if (!series.TryGetValue(metric.SeriesId, out var rows)) series.Add(metric.SeriesId, rows = new SeriesRows(metric.SeriesId));
        return rows;
    }

    private void Count(int more)
    {
        Items += more;
        if (Items > MaxItems) throw TooMany();
    }

    private void Reject(Place place, string below, string type, string detail) => rejected.Add(new($"{place}{below}", type, detail));

    private static string Unknown(string? metric) => metric is null ? "The column names no metric." : $"This source has no metric '{metric}'.";

    private static string ForReading(Metric metric) => $"'{metric.Name}' was shared with you for reading only.";

    // A text that is not valid UTF-8 has replacement characters in its stead: GetString would throw.
    private static string Text(ref Utf8JsonReader json)
    {
        var raw = json.ValueSpan.Length > 200 ? json.ValueSpan[..200] : json.ValueSpan;
        if (!json.ValueIsEscaped || json.ValueSpan.Length > 200) return Encoding.UTF8.GetString(raw);
        try { return json.GetString()!; }
        catch (InvalidOperationException) { return Encoding.UTF8.GetString(raw); }
    }

    private static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static ProblemException Shapeless() => new(400, "malformed-json",
        "The body is not {\"readings\": […]} or {\"columns\": […]}, and nothing was stored.");

    private static ProblemException Malformed(JsonException e) => new(400, "malformed-json", "The body is not JSON, and nothing was stored.",
        new ProblemItem("", "malformed-json", $"Line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}."));

    private static ProblemException TooMany() => new(413, "too-many-items",
        $"A request holds at most {MaxItems} readings, and nothing was stored. Send several requests.");
}
