using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Readings;

/// <summary>
/// What a person says of one metric of a source: its unit, and if they like the catalog's series type and a group. Written
/// as an object, or as the unit alone: <c>{"reading": "kWh"}</c>.
/// </summary>
[JsonConverter(typeof(MetricSpecConverter))]
public sealed record MetricSpec(string? Unit, string? Type = null, string? Group = null);

internal sealed class MetricSpecConverter : JsonConverter<MetricSpec>
{
    public override MetricSpec Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new MetricSpec(reader.GetString());
        using var json = JsonDocument.ParseValue(ref reader);
        if (json.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("A metric is a unit or an object with 'unit'.");
        return new MetricSpec(Text("unit"), Text("type"), Text("group"));

        string? Text(string name) => !json.RootElement.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString()
            : throw new JsonException($"'{name}' of a metric is a text.");
    }

    public override void Write(Utf8JsonWriter writer, MetricSpec value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteString("unit", value.Unit);
        if (value.Type is not null) writer.WriteString("type", value.Type);
        if (value.Group is not null) writer.WriteString("group", value.Group);
        writer.WriteEndObject();
    }
}

/// <summary>The metrics of a request, checked and in UCUM.</summary>
internal sealed record WantedMetric(string Name, string Unit, string? Type, string? Group, string? Panel);

/// <summary>Checks what a person says of metrics, and names every field that is wrong at once.</summary>
internal static partial class Metrics
{
    public const int Most = 200;
    public const int MostEver = 100_000;

    public static async Task<List<WantedMetric>> CheckAsync(
        UserTransaction db, IReadOnlyDictionary<string, MetricSpec> given, string pointer = "/metrics")
    {
        if (given.Count > Most) throw TooMany();
        var types = given.Values.Any(spec => spec?.Type is not null)
            ? (await db.QueryAsync<SeriesType>("select code, unit, aggregation, panel from series_types")).ToDictionary(type => type.Code)
            : [];
        var faults = new List<ProblemItem>();
        var wanted = new List<WantedMetric>();
        foreach (var (name, spec) in given)
        {
            var at = pointer.Length == 0 ? "" : $"{pointer}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
            if (!Name().IsMatch(name))
                faults.Add(new(at, "invalid-name", "A metric's name has 1 to 64 letters, digits, and _ - . or spaces between them."));
            else if (spec is null) faults.Add(new(at, "missing-unit", "A metric needs a unit."));
            else if (Check(name, spec, types, at, out var fault) is { } metric) wanted.Add(metric);
            else faults.Add(fault!);
        }
        if (faults.Count > 0) throw new ProblemException(400, faults[0].Type, faults[0].Detail, [.. faults]);
        return wanted;
    }

    /// <summary>
    /// Counts metrics that are about to be added against the person's share of series: taken first, so that somebody who
    /// has none left uses up no number (decision 0041).
    /// </summary>
    public static async Task DeclareAsync(UserTransaction db, int added)
    {
        if (added == 0) return;
        var counted = await db.ExecuteAsync(
            """
            insert into declared_metrics as d (declared) values (@added)
            on conflict (user_id) do update set declared = d.declared + excluded.declared
            where d.declared + excluded.declared <= @MostEver
            """, new { added, MostEver });
        if (counted == 0)
            throw new ProblemException(403, "too-many-metrics-declared", $"A person may declare {MostEver} metrics in all, deleted ones included.");
    }

    public static ProblemException TooMany() => new(400, "too-many-metrics", $"A source has at most {Most} metrics.");

    private static WantedMetric? Check(string name, MetricSpec spec, Dictionary<string, SeriesType> types, string at, out ProblemItem? fault)
    {
        fault = null;
        SeriesType? type = null;
        if (spec.Type is not null && !types.TryGetValue(spec.Type, out type))
            fault = new($"{at}/type", "unknown-type", $"The catalog has no series type '{spec.Type}'.");
        else if ((spec.Unit ?? type?.Unit) is not { Length: > 0 } unitText) fault = new($"{at}/unit", "missing-unit", "A metric needs a unit.");
        else if (!Unit.TryParse(unitText, out var unit) || unit.Code.Length > 60)
            fault = new($"{at}/unit", "unknown-unit", $"'{(unitText.Length > 60 ? unitText[..60] : unitText)}' is no unit that we know. Units are UCUM.");
        else if (type is not null && !unit.ConvertsTo(Unit.Parse(type.Unit), type.Substance))
            fault = new($"{at}/unit", "unit-mismatch", $"{spec.Type} is measured in {type.Unit}, and {unit.Code} does not convert to it.");
        else if (spec.Group is not null && !Name().IsMatch(spec.Group))
            fault = new($"{at}/group", "invalid-name", "A group's name has 1 to 64 letters, digits, and _ - . or spaces between them.");
        else return new WantedMetric(name, unit.Code, type?.Code, spec.Group, type?.Panel);
        return null;
    }

    // Begins with a letter or digit: a name is the head of a CSV column, and a spreadsheet takes = + - @ for a formula.
    [GeneratedRegex(@"^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}_\-. ]{0,62}[\p{L}\p{M}\p{N}_\-.])?$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}

/// <summary>What the catalog says of a series type, as far as this service needs it.</summary>
internal sealed record SeriesType(string Code, string Unit, string Aggregation, string? Panel)
{
    /// <summary>What is measured, where an amount and a mass of it convert into each other.</summary>
    public string? Substance => Substances.Names.FirstOrDefault(name => Code.Contains(name, StringComparison.Ordinal))
        ?? (Code.Contains("alcohol", StringComparison.Ordinal) ? "ethanol" : null);
}
