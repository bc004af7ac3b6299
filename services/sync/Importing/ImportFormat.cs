using System.Text;
using OpenReadings.Sync.Apple;
using OpenReadings.Sync.Archives;
using OpenReadings.Sync.Csv;
using OpenReadings.Sync.Files;

namespace OpenReadings.Sync.Importing;

/// <summary>What is to be done with a file, as its owner said when it was given.</summary>
/// <param name="Format">apple-health, csv or openreadings.</param>
/// <param name="SourceId">The source that everything goes to; null: one for each name in the file.</param>
/// <param name="SourceName">Name of the source, should it have to be made.</param>
/// <param name="Mapping">For csv: the mapping, as JSON.</param>
public sealed record ImportRequest(string Format, Guid? SourceId, string? SourceName, string? Mapping)
{
    public const string AppleHealth = "apple-health", Csv = "csv", Archive = "openreadings";
    private const int MostSources = 1_000;

    /// <summary>Opens the reader of the format, and goes on where an earlier one stood.</summary>
    public IFileReader Open(FileContent content, Guid user, IRecords to, Position? from = null) => Format switch
    {
        Csv => OpenCsv(content, user, to, from),
        Archive => new ArchiveReader(content, to, from),
        _ => OpenApple(content, user, to, from),
    };

    private AppleHealthReader OpenApple(FileContent content, Guid user, IRecords to, Position? from)
    {
        static bool IsHealthData(ReadOnlyMemory<byte> beginning) => beginning.Span.IndexOf("HealthData"u8) >= 0 && FileContent.LooksLike(beginning.Span) == "XML";

        using (var text = content.Open(IsHealthData))
        {
            var beginning = FileContent.BeginningOf(text).Span;
            if (FileContent.MarkedEncoding(beginning) is not null) throw new FileRefusedException("unsupported-encoding", "An Apple Health export is UTF-8.");
            if (FileContent.LooksLike(beginning) is not "XML")
                throw new FileRefusedException("wrong-format", $"This is not an Apple Health export: it looks like {FileContent.LooksLike(beginning) ?? "plain text"}.");
        }

        var sources = new Dictionary<string, Source>();
        Source? SourceOf(string name)
        {
            if (SourceId is { } id) name = SourceName ?? "Apple Health";
            else id = Source.IdOf(user, AppleHealth, name);
            if (sources.TryGetValue(name, out var source)) return source;
            if (sources.Count == MostSources) return null;
            return sources[name] = new(id, name.Trim() is { Length: > 0 } shown ? shown : "Apple Health", AppleHealth);
        }

        var window = new ByteWindow(content.Open(IsHealthData));
        if (from is not null) window.SkipTo(from.Offset, from.Line);
        return new(window, SourceOf, to, resumed: from is not null);
    }

    private CsvReader OpenCsv(FileContent content, Guid user, IRecords to, Position? from)
    {
        var mapping = CsvMapping.Parse(Mapping!);
        var encoding = mapping.Encoding is { } named ? CsvText.EncodingOf(named)! : Encoding.UTF8;
        static bool IsText(ReadOnlyMemory<byte> beginning) => !beginning.IsEmpty && FileContent.LooksLike(beginning.Span) is null;
        using (var text = content.Open(IsText))
        {
            var beginning = FileContent.BeginningOf(text).Span;
            encoding = FileContent.MarkedEncoding(beginning) ?? encoding;
            if (encoding is not UnicodeEncoding && FileContent.LooksLike(beginning) is { } other)
                throw new FileRefusedException("wrong-format", $"This is not CSV: it looks like {other}.");
        }

        var source = new Source(SourceId ?? Source.IdOf(user, Csv, SourceName!), SourceName ?? "Imported file",
            mapping.Metrics.Any(metric => metric.Counter) ? "meter" : Csv);
        var opened = content.Open(IsText);
        var window = new ByteWindow(encoding is UTF8Encoding ? opened : Encoding.CreateTranscodingStream(opened, encoding, Encoding.UTF8));
        var reader = new CsvReader(window, mapping, source, to);
        if (from is not null) reader.Resume(window, from.Offset, from.Line, from.State);
        return reader;
    }
}

/// <summary>A place in the text of a file.</summary>
public sealed record Position(long Offset, long Line, string? State = null);
