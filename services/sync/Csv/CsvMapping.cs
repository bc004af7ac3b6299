using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Sync.Csv;

/// <summary>How the columns of a CSV file become readings of one source.</summary>
public sealed partial record CsvMapping
{
    /// <summary>Where the time stands.</summary>
    public required CsvTime Time { get; init; }

    /// <summary>IANA zone of times without an offset. A time that the clock skipped is rejected; one that it showed twice is the
    /// first, unless the row before shows that the clock was put back already.</summary>
    public string? TimeZone { get; init; }

    /// <summary>One for each column that is imported.</summary>
    public required IReadOnlyList<CsvMetric> Metrics { get; init; }

    /// <summary>One character; found out from the first lines when absent.</summary>
    public string? Delimiter { get; init; }

    public string Quote { get; init; } = "\"";

    /// <summary>The decimal sign: <c>.</c> or <c>,</c>.</summary>
    public string Decimal { get; init; } = ".";

    /// <summary>What groups thousands, such as <c>.</c>, <c>'</c> or a blank; nothing when absent.</summary>
    public string? Thousands { get; init; }

    /// <summary>utf-8 (also with a byte order mark, which decides), latin1, windows-1252, utf-16.</summary>
    public string? Encoding { get; init; }

    /// <summary>The first line names the columns.</summary>
    public bool Header { get; init; } = true;

    /// <summary>Lines before the header, or before the first row.</summary>
    public int SkipLines { get; init; }

    /// <summary>Lines that begin so are passed over.</summary>
    public string? Comment { get; init; }

    /// <summary>What stands for "no value".</summary>
    public IReadOnlyList<string> Null { get; init; } = ["", "?", "NA", "N/A", "null", "NaN", "-"];

    /// <summary>Reads and checks a mapping; what is wrong with it is told all at once, each with its place.</summary>
    public static CsvMapping Parse(string json)
    {
        CsvMapping? mapping;
        try
        {
            mapping = JsonSerializer.Deserialize<CsvMapping>(json, Json.Options);
        }
        catch (JsonException e)
        {
            throw new ProblemException(400, "invalid-mapping", $"The mapping is not JSON of the documented shape: {e.Message}");
        }

        var problems = mapping?.Problems().ToArray() ?? [new ProblemItem("", "invalid-value", "The mapping is null.")];
        return problems.Length == 0 ? mapping! : throw new ProblemException(400, "invalid-mapping", "The mapping cannot be used.", problems);
    }

    // As readings takes it.
    [GeneratedRegex(@"^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}_\-. ]{0,62}[\p{L}\p{M}\p{N}_\-.])?$", RegexOptions.CultureInvariant)]
    private static partial Regex MetricName();

    private IEnumerable<ProblemItem> Problems()
    {
        static ProblemItem Wrong(string pointer, string detail) => new(pointer, "invalid-value", detail);

        if (Delimiter is { Length: not 1 } || Delimiter is [> '\x7f' or '\n' or '\r' or '"']) yield return Wrong("/delimiter", "One ASCII character.");
        if (Quote is not [<= '\x7f' and not '\n' and not '\r']) yield return Wrong("/quote", "One ASCII character.");
        if (Decimal is not ("." or ",")) yield return Wrong("/decimal", "A point or a comma.");
        if (Thousands is { Length: not 1 } || Thousands == Decimal) yield return Wrong("/thousands", "One character other than the decimal sign.");
        if (SkipLines is < 0 or > 10_000) yield return Wrong("/skip_lines", "0 to 10000.");
        if (Encoding is not null && CsvText.EncodingOf(Encoding) is null) yield return Wrong("/encoding", "utf-8, latin1, windows-1252 or utf-16.");
        if (Null is null || Null.Count > 50 || Null.Any(token => token is null || token.Length > 50)) yield return Wrong("/null", "Up to 50 short texts.");
        if (TimeZone is not null && !TimeZoneInfo.TryFindSystemTimeZoneById(TimeZone, out _)) yield return Wrong("/time_zone", $"'{TimeZone}' is not an IANA time zone.");
        if (Time is null) yield return Wrong("/time", "Say where the time stands.");
        else
        {
            if (Time.Column is null == Time.Date is null) yield return Wrong("/time", "Either a column, or a date and a time column.");
            if (CsvClock.FaultOf(Time.Format) is { } fault) yield return Wrong("/time/format", fault);
            else if (TimeZone is null && CsvClock.NeedsZone(Time.Format)) yield return Wrong("/time_zone", "Times of this format have no offset: say their zone.");
        }

        if (Metrics is null or { Count: 0 or > 50 }) yield return Wrong("/metrics", "1 to 50 columns.");
        foreach (var (index, metric) in (Metrics ?? []).Index())
        {
            if (metric?.Column is null) yield return Wrong($"/metrics/{index}/column", "Say which column.");
            else if (metric.Unit is null || !Unit.TryParse(metric.Unit, out var unit)) yield return Wrong($"/metrics/{index}/unit", $"'{metric.Unit}' is not a unit.");
            else if (metric.Type is not null && SeriesTypes.Find(metric.Type) is not { } type) yield return Wrong($"/metrics/{index}/type", $"'{metric.Type}' is not a series type.");
            else if (metric.Type is { } code && SeriesTypes.Find(code) is { } known && !unit.ConvertsTo(Unit.Parse(known.Unit), known.Substance))
                yield return Wrong($"/metrics/{index}/unit", $"'{metric.Unit}' does not convert to {known.Unit}, the unit of {code}.");
            if (metric?.Column is not null && !MetricName().IsMatch(metric.Name))
                yield return Wrong($"/metrics/{index}/metric", "A metric's name has 1 to 64 letters, digits, and _ - . or spaces between them.");
            if (metric?.Scale is { } scale && (scale == 0 || !double.IsFinite(scale))) yield return Wrong($"/metrics/{index}/scale", "Not 0.");
        }

        foreach (var twice in (Metrics ?? []).Where(metric => metric?.Column is not null).CountBy(metric => metric.Name).Where(name => name.Value > 1))
            yield return Wrong("/metrics", $"'{twice.Key}' occurs {twice.Value} times.");
    }
}

/// <summary>Where the time of a row stands, and how it is written.</summary>
/// <param name="Column">The one column that holds it.</param>
/// <param name="Date">The column of the date, when the time of day stands in another.</param>
/// <param name="Time">The column of the time of day.</param>
/// <param name="Format">
/// <c>iso</c> (when absent), <c>unix</c>, <c>unix_ms</c>, a .NET format such as <c>dd.MM.yyyy HH:mm</c>, or one with percent
/// signs such as <c>%d.%m.%Y %H:%M</c>. Date and time columns are joined with a blank.
/// </param>
public sealed record CsvTime(CsvColumn? Column = null, CsvColumn? Date = null, CsvColumn? Time = null, string? Format = null);

/// <summary>One column that becomes a metric.</summary>
/// <param name="Column">Its name, or its number from 1.</param>
/// <param name="Metric">The metric's name; the column's when absent.</param>
/// <param name="Unit">The unit that its numbers have after scaling.</param>
/// <param name="Type">The catalog's series type, if it is one.</param>
/// <param name="Scale">Its numbers are multiplied by this.</param>
/// <param name="Counter">It is a register that only grows: its readings are kept as they are.</param>
public sealed partial record CsvMetric(CsvColumn Column, string? Metric = null, string Unit = "1", string? Type = null, double? Scale = null, bool Counter = false)
{
    /// <summary>The metric's name; made of the column's, without what a metric's name cannot have, when it is not given.</summary>
    [JsonIgnore]
    public string Name => Metric ?? (Column.Name is { } column ? Forbidden().Replace(column, "_").Trim('_', ' ') : $"column_{Column.Number}");

    [GeneratedRegex(@"[^\p{L}\p{M}\p{N}_\-. ]+", RegexOptions.CultureInvariant)]
    private static partial Regex Forbidden();
}

/// <summary>A column by name or by number from 1; in JSON a string or a number.</summary>
[JsonConverter(typeof(FromJson))]
public sealed record CsvColumn(string? Name, int Number)
{
    private sealed class FromJson : JsonConverter<CsvColumn>
    {
        public override CsvColumn Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
        {
            JsonTokenType.String => new(reader.GetString(), 0),
            JsonTokenType.Number when reader.TryGetInt32(out var number) && number is > 0 and <= 10_000 => new(null, number),
            _ => throw new JsonException("A column is a name or a number from 1."),
        };

        public override void Write(Utf8JsonWriter writer, CsvColumn value, JsonSerializerOptions options)
        {
            if (value.Name is not null) writer.WriteStringValue(value.Name);
            else writer.WriteNumberValue(value.Number);
        }
    }
}
