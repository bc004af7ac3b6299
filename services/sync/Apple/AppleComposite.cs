using System.Buffers.Text;
using System.Text;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Apple;

/// <summary>Something of several elements that is handed on once: a workout, a stage of sleep, a blood pressure.</summary>
internal sealed class AppleComposite
{
    private const int MostMetadata = 2_500, LongestText = 200;
    private readonly Source source;
    private readonly long line;
    private readonly string endsWith;
    private readonly byte[] at;
    private readonly double[] pressure = [double.NaN, double.NaN];
    private readonly Metric[] metrics = [];
    private readonly Dictionary<string, Quantity> values = [];
    private readonly Dictionary<string, object> details = [];
    private readonly Dictionary<string, string> metadata = [];
    private readonly Utf8Table<AppleKind>? kinds;
    private readonly (string Kind, string Type, string From, string To) happening;
    private bool inActivity;
    private int characters;

    private AppleComposite(Source source, long line, string endsWith, byte[] at, Utf8Table<AppleKind>? kinds = null, Metric[]? metrics = null)
    {
        (this.source, this.line, this.endsWith, this.kinds) = (source, line, endsWith, kinds);
        this.at = [.. at];
        this.metrics = metrics ?? [];
    }

    private AppleComposite(Source source, long line, string endsWith, string kind, string type, byte[] from, byte[] to, Utf8Table<AppleKind>? kinds = null)
        : this(source, line, endsWith, from, kinds) => happening = (kind, type, Encoding.ASCII.GetString(from), Encoding.ASCII.GetString(to));

    public static AppleComposite OfSleep(Source source, long line, string stage, byte[] from, byte[] to) =>
        new(source, line, "Record", "sleep", stage, from, to);

    public static AppleComposite OfPressure(Source source, long line, Utf8Table<AppleKind> kinds, byte[] at)
    {
        Metric Of(string name) => kinds.TryGet(Encoding.ASCII.GetBytes(name), out var kind) ? kind.Metric! : throw new InvalidOperationException(name);
        return new(source, line, "Correlation", at, kinds, [Of(AppleTypes.Systolic), Of(AppleTypes.Diastolic)]);
    }

    public static AppleComposite OfWorkout(Source source, XmlScanner xml, Utf8Table<AppleKind> kinds, string activity, byte[] from, byte[] to)
    {
        var workout = new AppleComposite(source, xml.Line, "Workout", "workout", AppleWorkouts.TypeOf(activity), from, to, kinds);
        workout.details["activity"] = Short(activity.Replace(AppleWorkouts.Prefix, "", StringComparison.Ordinal));
        if (Number(xml, "duration"u8) is { } duration)
            workout.details["duration_seconds"] = duration * (xml.Text("durationUnit"u8) switch { "s" => 1, "hr" or "h" => 3600, _ => 60 });
        workout.Total(xml, "totalDistance"u8, "totalDistanceUnit"u8, "HKQuantityTypeIdentifierDistanceWalkingRunning"u8);
        workout.Total(xml, "totalEnergyBurned"u8, "totalEnergyBurnedUnit"u8, "HKQuantityTypeIdentifierActiveEnergyBurned"u8);
        workout.Total(xml, "totalFlightsClimbed"u8, "totalFlightsClimbedUnit"u8, "HKQuantityTypeIdentifierFlightsClimbed"u8);
        workout.Total(xml, "totalSwimmingStrokeCount"u8, "totalSwimmingStrokeCountUnit"u8, "HKQuantityTypeIdentifierSwimmingStrokeCount"u8);
        return workout;
    }

    /// <summary>Elements that only occur within others.</summary>
    public static bool IsPart(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("MetadataEntry"u8) || name.SequenceEqual("WorkoutStatistics"u8) || name.SequenceEqual("WorkoutEvent"u8)
        || name.SequenceEqual("WorkoutActivity"u8) || name.SequenceEqual("WorkoutRoute"u8) || name.SequenceEqual("FileReference"u8)
        || name.SequenceEqual("Location"u8) || name.SequenceEqual("HeartRateVariabilityMetadataList"u8)
        || name.SequenceEqual("InstantaneousBeatsPerMinute"u8) || name.SequenceEqual("SensitivityPoint"u8) || name.SequenceEqual("RightEye"u8)
        || name.SequenceEqual("LeftEye"u8) || name.SequenceEqual("Attachment"u8);

    public bool IsEndedBy(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("WorkoutActivity"u8)) inActivity = false;
        return Encoding.UTF8.GetString(name) == endsWith;
    }

    /// <summary>Takes a part that belongs to it.</summary>
    public void Take(XmlScanner xml, bool hasChildren)
    {
        var name = xml.Name;
        if (name.SequenceEqual("WorkoutActivity"u8)) inActivity = hasChildren;    // a leg of the workout: its figures are not the whole
        else if (inActivity) return;
        else if (name.SequenceEqual("MetadataEntry"u8)) Metadata(xml);
        else if (name.SequenceEqual("FileReference"u8) && xml.Text("path"u8) is { } path) details["route"] = Short(path);
        else if (name.SequenceEqual("WorkoutStatistics"u8)) Statistics(xml);
    }

    /// <summary>Takes a record that is half of a blood pressure; false when the record is one of its own.</summary>
    public bool TryTake(XmlScanner xml, byte[] scratch)
    {
        if (metrics.Length == 0 || !xml.TryGet("type"u8, out var type) || !kinds!.TryGet(type, out var kind)) return false;
        var slot = Array.IndexOf(metrics, kind.Metric);
        if (slot < 0 || !double.IsNaN(pressure[slot]) || !xml.TryGet("startDate"u8, out var start)
            || !AppleTime.TryFormat(start, scratch, out _, out _) || !scratch.AsSpan().SequenceEqual(at)
            || kind.ConverterOf(xml, out _) is not { } convert || Number(xml, "value"u8) is not { } value) return false;
        pressure[slot] = convert.Convert(value);
        return true;
    }

    public void HandOn(IRecords to)
    {
        if (metrics.Length == 0)
        {
            if (metadata.Count > 0 && happening.Kind == "workout") details["metadata"] = metadata;
            to.Happened(source, new(happening.Kind, happening.Type, happening.From, happening.To, values.Count > 0 ? values : null,
                details.Count > 0 ? details : null), line);
        }
        else if (double.IsNaN(pressure[0]) && double.IsNaN(pressure[1]))
            to.Reject(line, AppleTypes.BloodPressure, "missing-value", "The blood pressure has neither of its two records.");
        else to.Row(source, metrics, at, pressure, line);
    }

    private void Metadata(XmlScanner xml)
    {
        if (xml.Text("key"u8) is not { } key || xml.Text("value"u8) is not { } value) return;
        if (key == "HKTimeZone") details["time_zone"] = Short(value);
        else if (key == "HKIndoorWorkout") details["indoor"] = value is "1" or "true";
        else if ((characters += key.Length + value.Length) <= MostMetadata) metadata[Short(key)] = Short(value);
    }

    private void Statistics(XmlScanner xml)
    {
        if (kinds is null || !xml.TryGet("type"u8, out var type) || !kinds.TryGet(type, out var kind) || kind.Metric is not { } metric
            || kind.ConverterOf(xml, out _) is not { } convert) return;
        void Put(string name, double? value)
        {
            if (value is { } given) values[name] = new(convert.Convert(given), metric.Unit);
        }

        var called = kind.InWorkout;
        Put(called, Number(xml, "sum"u8));
        Put($"{called}_average", Number(xml, "average"u8));
        Put($"{called}_minimum", Number(xml, "minimum"u8));
        Put($"{called}_maximum", Number(xml, "maximum"u8));
    }

    // Exports before iOS 16 say the totals in attributes; where statistics follow, they say the same again.
    private void Total(XmlScanner xml, ReadOnlySpan<byte> attribute, ReadOnlySpan<byte> unitAttribute, ReadOnlySpan<byte> type)
    {
        if (Number(xml, attribute) is not { } value || !kinds!.TryGet(type, out var kind)) return;
        var unit = xml.TryGet(unitAttribute, out var given) ? given : "count"u8;
        if (kind.ConverterOf(unit, out _) is { } convert) values[kind.InWorkout] = new(convert.Convert(value), kind.Metric!.Unit);
    }

    private static double? Number(XmlScanner xml, ReadOnlySpan<byte> attribute) =>
        xml.TryGet(attribute, out var text) && Utf8Parser.TryParse(text, out double value, out var used) && used == text.Length
            && double.IsFinite(value) ? value : null;

    private static string Short(string text) => text.Length > LongestText ? text[..LongestText] : text;
}
