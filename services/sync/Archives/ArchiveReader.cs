using System.Text.Json;
using System.Text.RegularExpressions;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;
using OpenReadings.Units;

namespace OpenReadings.Sync.Archives;

/// <summary>
/// Reads the archive that <see cref="TakeArchive"/> writes: source by source, its declaration, readings and events. Only the names
/// of such an archive are looked at. Where it stands is an entry and a place in that entry.
/// </summary>
public sealed partial class ArchiveReader : IFileReader
{
    // As many metrics as readings lets a source have, and events as large as it takes: what is read ahead stays within the memory it is meant to hold.
    private const int MostSourceBytes = 1 << 20, MostMetrics = 200, LongestEvent = 100_000, LongestTime = 64;
    private readonly FileContent content;
    private readonly IRecords to;
    private readonly List<(Guid Source, string Part, ZipEntry Entry)> parts = [];
    private readonly Dictionary<string, int> places = [];
    private readonly bool isWhole;
    private ByteWindow? window;
    private Source? source;
    private Metric[] metrics = [];
    private double[] values = [];
    private int at;

    public ArchiveReader(FileContent content, IRecords to, Position? from)
    {
        (this.content, this.to) = (content, to);
        foreach (var entry in EntriesOf(content))
        {
            isWhole |= entry.Name == "end.json";
            if (Part().Match(entry.Name) is { Success: true } match) parts.Add((Guid.Parse(match.Groups[1].Value), match.Groups[2].Value, entry));
        }

        if (from is not { State: { } name }) return;
        at = parts.FindIndex(part => part.Entry.Name == name) is >= 0 and var found ? found : parts.Count;
        if (at == parts.Count) return;
        // The source that it stands in was declared before.
        if (parts[at].Part != "source.json" && parts.Find(part => part.Source == parts[at].Source && part.Part == "source.json") is { Entry: not null } declaration)
            source = Declaration(declaration.Source, declaration.Entry, tells: false);
        (window = new(content.Open(parts[at].Entry))).SkipTo(from.Offset, from.Line);
    }

    /// <summary>The files of an archive that this version can read; refuses what is none.</summary>
    public static List<ZipEntry> EntriesOf(FileContent content)
    {
        var entries = content.Entries();
        try
        {
            using var stream = content.Open(entries.Find(entry => entry.Name == "archive.json") ?? throw new InvalidDataException());
            using var said = JsonDocument.Parse(FileContent.BeginningOf(stream));
            if (said.RootElement.GetProperty("format").GetString() != "openreadings-archive") throw new InvalidDataException();
            if (said.RootElement.GetProperty("version").GetInt32() != 1)
                throw new FileRefusedException("unsupported-version", "The archive is of a later version than this installation reads.");
            return entries;
        }
        catch (Exception e) when (e is InvalidDataException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new FileRefusedException("wrong-format", "This is not an archive of OpenReadings: it holds no archive.json that says so.");
        }
    }

    public long Records { get; private set; }

    public bool CutShort { get; private set; }

    public (long Offset, long Line) Position => window is null ? (0, 1) : (window.Offset, window.Line);

    public string? State => at < parts.Count ? parts[at].Entry.Name : "end.json";

    public bool Read(int most)
    {
        for (var read = 0; read < most; read++)
        {
            if (at == parts.Count)
            {
                CutShort |= !isWhole;
                return false;
            }

            var (id, part, entry) = parts[at];
            if (part == "source.json")
            {
                Records++;
                source = Declaration(id, entry, tells: true);
                at++;
            }
            else if (source?.Id != id || !TryLine(part, entry))
            {
                window?.Dispose();
                window = null;
                at++;
            }
        }

        return true;
    }

    public void Dispose() => window?.Dispose();

    private bool TryLine(string part, ZipEntry entry)
    {
        try
        {
            return Line(window ??= new(content.Open(entry)), part, entry.Name);
        }
        catch (InvalidDataException)
        {
            CutShort = true;
            to.Reject(1, entry.Name, "damaged-entry", "The zip says that this is in it, and it cannot be opened.");
            return false;
        }
    }

    // False: the entry has no further line.
    private bool Line(ByteWindow text, string part, string name)
    {
        int end;
        while ((end = text.Rest.IndexOf((byte)'\n')) < 0 && text.More()) { }
        var line = text.Line;
        if (end < 0 && text.Rest.IsEmpty)
        {
            CutShort |= text.CutShort;
            return false;
        }

        Records++;
        if (end < 0)
        {
            CutShort |= text.Ended;
            to.Reject(line, name, text.Ended ? "truncated-file" : "line-too-long", text.Ended ? "The line has no end." : "The line is longer than any that an archive holds.");
            do text.Advance(text.Rest.IndexOf((byte)'\n') is >= 0 and var found ? found + 1 : text.Rest.Length);
            while (!text.Ended && text.Line == line && text.More());
            return true;
        }

        try
        {
            if (part == "readings.ndjson") Row(text.Rest[..end], line, name);
            else if (end > LongestEvent) to.Reject(line, name, "too-large", "The event is larger than any that is kept.");
            else to.Happened(source!, JsonSerializer.Deserialize<Happening>(text.Rest[..end], Wire.Json) ?? throw new JsonException(), line);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            to.Reject(line, name, "malformed-json", "The line is not such a reading or event.");
        }

        text.Advance(end + 1);
        return true;
    }

    private void Row(ReadOnlySpan<byte> line, long number, string name)
    {
        var json = new Utf8JsonReader(line);
        ReadOnlySpan<byte> time = default;
        var any = false;
        Array.Fill(values, double.NaN);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) throw new JsonException();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("at"u8))
            {
                if (!json.Read() || json.TokenType != JsonTokenType.String || json.ValueSpan.Length > LongestTime) throw new JsonException();
                time = json.ValueSpan;
            }
            else if (json.ValueTextEquals("values"u8))
            {
                if (!json.Read() || json.TokenType != JsonTokenType.StartObject) throw new JsonException();
                while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                {
                    var metric = json.GetString()!;
                    json.Read();
                    if (!places.TryGetValue(metric, out var place))
                    {
                        to.Reject(number, name, "unknown-metric", $"The source has no metric '{(metric.Length > 64 ? metric[..64] : metric)}'.");
                        return;
                    }

                    if (json.TokenType != JsonTokenType.Number || !double.IsFinite(values[place] = json.GetDouble()))
                    {
                        to.Reject(number, name, "not-a-number", $"{metric} is not a finite number.");
                        return;
                    }

                    any = true;
                }
            }
            // What a later version may say of a row is no reason to lose it.
            else json.Skip();
        }

        if (json.Read() || time.IsEmpty || !any) throw new JsonException();
        to.Row(source!, metrics, time, values, number);
    }

    private Source? Declaration(Guid id, ZipEntry entry, bool tells)
    {
        try
        {
            using var stream = content.Open(entry);
            var bytes = new byte[MostSourceBytes + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MostSourceBytes) throw new JsonException();
            var declared = JsonDocument.Parse(bytes.AsMemory(0, length)).RootElement;
            var made = new Source(id, declared.GetProperty("name").GetString()!, declared.GetProperty("kind").GetString()!) { Declared = bytes[..length] };
            metrics = [.. declared.GetProperty("metrics").EnumerateObject().Select((metric, index) => new Metric(metric.Name,
                Unit.Parse(metric.Value.GetProperty("unit").GetString()!).Code,
                metric.Value.TryGetProperty("type", out var type) ? type.GetString() : null) { Index = index, Group = 0 })];
            if (metrics.Length > MostMetrics) throw new JsonException();
            values = new double[metrics.Length];
            places.Clear();
            foreach (var metric in metrics) places[metric.Name] = metric.Index;
            if (tells) to.Declared(made);
            return made;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException or InvalidDataException)
        {
            if (tells) to.Reject(1, entry.Name, "invalid-source", "This declares no source, so its readings and events are left out.");
            return null;
        }
    }

    [GeneratedRegex(@"^data/sources/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/(source\.json|readings\.ndjson|events\.ndjson)\z")]
    private static partial Regex Part();
}
