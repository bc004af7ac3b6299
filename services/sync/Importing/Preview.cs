using System.Text;
using OpenReadings.Sync.Files;

namespace OpenReadings.Sync.Importing;

/// <summary>What a dry run answers: the first rows as they would be stored, and what would be wrong.</summary>
public sealed record PreviewResult(
    string Format, IReadOnlyList<PreviewResult.Source> Sources, IReadOnlyList<PreviewResult.Row> Rows, IReadOnlyDictionary<string, long> Skipped,
    IReadOnlyList<Reject> Problems, bool More)
{
    public sealed record Source(Guid SourceId, string Name, string Kind, IReadOnlyDictionary<string, MetricShape> Metrics);

    public sealed record MetricShape(string Unit, string? Type);

    /// <summary>A reading (<c>at</c>, <c>values</c>) or an event (<c>kind</c>, <c>type</c>, <c>from</c>, <c>to</c>).</summary>
    public sealed record Row(
        long Line, Guid SourceId, string? At = null, IReadOnlyDictionary<string, double>? Values = null, Happening? Event = null);
}

/// <summary>Reads the beginning of a file as an import would, and keeps what it finds instead of sending it.</summary>
public sealed class Preview : IRecords
{
    private const int MostRows = 20, MostProblems = 50;
    private readonly List<PreviewResult.Row> rows = [];
    private readonly List<Reject> problems = [];
    private readonly SortedDictionary<string, long> skipped = new(StringComparer.Ordinal);
    private readonly Dictionary<Source, Dictionary<string, PreviewResult.MetricShape>> sources = [];

    /// <summary>Shows the beginning of a file. <paramref name="isWhole"/>: it is all of it.</summary>
    public static PreviewResult Of(ImportRequest request, Guid user, Stream beginning, bool isWhole, FileLimits limits)
    {
        var preview = new Preview();
        using var reader = request.Open(new FileContent(beginning, limits), user, preview);
        var more = true;
        while (more && preview.rows.Count < MostRows && preview.problems.Count < MostProblems) more = reader.Read(10);
        // Where we stopped looking, the file seems to end; it does not.
        if (!isWhole && !more) preview.problems.RemoveAll(problem => problem.Type == "truncated-file");
        var sources = preview.sources.Select(source => new PreviewResult.Source(source.Key.Id, source.Key.Name, source.Key.Kind, source.Value));
        return new(request.Format, [.. sources], [.. preview.rows.Take(MostRows)], preview.skipped, [.. preview.problems.Take(MostProblems)], more || !isWhole);
    }

    public void Declared(Source source) => MetricsOf(source);

    public void Reading(Source source, Metric metric, ReadOnlySpan<byte> at, double value, long line) => Row(source, [metric], at, [value], line);

    public void Row(Source source, Metric[] metrics, ReadOnlySpan<byte> at, ReadOnlySpan<double> values, long line)
    {
        var row = new Dictionary<string, double>();
        for (var i = 0; i < metrics.Length; i++)
        {
            MetricsOf(source)[metrics[i].Name] = new(metrics[i].Unit, metrics[i].Type);
            if (!double.IsNaN(values[i])) row[metrics[i].Name] = values[i];
        }

        rows.Add(new(line, source.Id, Encoding.ASCII.GetString(at), row));
    }

    public void Happened(Source source, Happening happening, long line)
    {
        MetricsOf(source);
        rows.Add(new(line, source.Id, Event: happening));
    }

    public void Skip(string type) => Receipt.Count(skipped, type, 1);

    public void Reject(long line, string? record, string type, string detail) => problems.Add(new(line, record, type, detail));

    private Dictionary<string, PreviewResult.MetricShape> MetricsOf(Source source)
    {
        if (!sources.TryGetValue(source, out var metrics)) sources[source] = metrics = [];
        return metrics;
    }
}
