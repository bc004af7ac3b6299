using System.Text;
using OpenReadings.Sync.Apple;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;

namespace OpenReadings.SyncTests;

/// <summary>Keeps what a reader hands on, as text.</summary>
public sealed class Collected : IRecords
{
    public List<(string Source, string Metric, string At, double Value, long Line)> Readings { get; } = [];
    public List<(string Source, string At, Dictionary<string, double> Values, long Line)> Rows { get; } = [];
    public List<(string Source, Happening Happening, long Line)> Events { get; } = [];
    public List<string> Skipped { get; } = [];
    public List<(long Line, string? Record, string Type, string Detail)> Rejects { get; } = [];

    public List<Source> Sources { get; } = [];

    public void Declared(Source source) => Sources.Add(source);

    public void Reading(Source source, Metric metric, ReadOnlySpan<byte> at, double value, long line) =>
        Readings.Add((source.Name, metric.Name, Encoding.ASCII.GetString(at), value, line));

    public void Row(Source source, Metric[] metrics, ReadOnlySpan<byte> at, ReadOnlySpan<double> values, long line)
    {
        var row = new Dictionary<string, double>();
        for (var i = 0; i < metrics.Length; i++)
            if (!double.IsNaN(values[i])) row[metrics[i].Name] = values[i];
        Rows.Add((source.Name, Encoding.ASCII.GetString(at), row, line));
    }

    public void Happened(Source source, Happening happening, long line) => Events.Add((source.Name, happening, line));

    public void Skip(string type) => Skipped.Add(type);

    public void Reject(long line, string? record, string type, string detail) => Rejects.Add((line, record, type, detail));

    /// <summary>Everything that an export holds; <paramref name="step"/> small, to stop often.</summary>
    public static Collected OfApple(string xml, int step = 3) => OfApple(new MemoryStream(Encoding.UTF8.GetBytes(xml)), step).Found;

    public static (Collected Found, bool CutShort, long Records) OfApple(Stream stream, int step = 1000)
    {
        var found = new Collected();
        using var reader = new AppleHealthReader(new ByteWindow(stream), name => new(Guid.NewGuid(), name, "apple-health"), found);
        while (reader.Read(step)) { }
        return (found, reader.CutShort, reader.Records);
    }
}
