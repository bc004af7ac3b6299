using System.Buffers.Text;
using System.Text;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Apple;

/// <summary>
/// Reads an Apple Health <c>export.xml</c> forward, in constant memory, and hands on what it holds. What is not well formed
/// is rejected with its line, and reading goes on behind it.
/// </summary>
public sealed class AppleHealthReader(ByteWindow window, Func<string, Source?> sourceOf, IRecords to, bool resumed = false) : IFileReader
{
    private const int MostSkippedNames = 500;
    private readonly XmlScanner xml = new(window);
    private readonly Utf8Table<AppleKind> kinds = AppleKind.Table();
    private readonly Utf8Table<KnownSource> sources = new();
    private readonly byte[] at = new byte[AppleTime.Length];
    private readonly byte[] end = new byte[AppleTime.Length];
    private AppleComposite? composite;
    private string? ignored;
    private bool rootSeen = resumed;
    private bool rootClosed;
    private bool cutTold;
    private long brokenLine;
    private readonly HashSet<string> skipped = [];

    private const int MostWithin = 20_000;

    public long Records { get; private set; }

    public bool CutShort { get; private set; }

    public string? State => null;

    public (long Offset, long Line) Position => (xml.NextOffset, xml.NextLine);

    /// <summary>Reads about that many elements and stops where a later reader could begin. False: the file is at its end.</summary>
    public bool Read(int most)
    {
        for (var read = 0; read < most || composite is not null || ignored is not null; read++)
        {
            if (read >= most + MostWithin)
            {
                // An element that never ends is let go: what waits behind it must not gather in memory.
                EndComposite();
                ignored = null;
                return true;
            }

            switch (xml.Read())
            {
                case XmlToken.End:
                    Finish();
                    return false;
                case XmlToken.Broken:
                    Broken();
                    break;
                case XmlToken.Close:
                    Close();
                    break;
                case XmlToken.Open:
                    Element(hasChildren: true);
                    break;
                case XmlToken.Empty:
                    Element(hasChildren: false);
                    break;
            }
        }

        return true;
    }

    public void Dispose() => xml.Dispose();

    private void Element(bool hasChildren)
    {
        var name = xml.Name;
        if (name.SequenceEqual("Record"u8)) Record(hasChildren);
        else if (!rootSeen) Root(name);
        else if (AppleComposite.IsPart(name)) composite?.Take(xml, hasChildren);
        else if (ignored is not null && !AppleKind.IsTopLevel(name)) return;
        else
        {
            EndComposite();
            ignored = null;
            if (name.SequenceEqual("Workout"u8)) Workout(hasChildren);
            else if (name.SequenceEqual("Correlation"u8)) Correlation(hasChildren);
            else if (!name.SequenceEqual("HealthData"u8))
            {
                Skip(Encoding.UTF8.GetString(name));
                if (hasChildren) ignored = Encoding.UTF8.GetString(name);
            }
        }
    }

    private void Root(ReadOnlySpan<byte> name)
    {
        if (!name.SequenceEqual("HealthData"u8))
            throw new FileRefusedException("wrong-format", $"This is not an Apple Health export: its first element is {Shown(name)} and not HealthData.");
        rootSeen = true;
    }

    private void Record(bool hasChildren)
    {
        if (!rootSeen) Root(xml.Name);
        if (composite is { } whole && whole.TryTake(xml, at)) return;
        EndComposite();
        ignored = hasChildren ? "Record" : null;
        if (!xml.TryGet("type"u8, out var type))
        {
            Reject("missing-attribute", "The record has no type.");
            return;
        }

        if (!kinds.TryGet(type, out var kind))
        {
            Skip(Encoding.UTF8.GetString(type));
            return;
        }

        var source = SourceOf();
        if (source is null) return;
        Records++;
        if (kind.IsSleep) Sleep(source, hasChildren);
        else if (ReadValue(kind, out var metric, out var value)) to.Reading(source, metric, at, value, xml.Line);
    }

    // Leaves the beginning in "at".
    private bool ReadValue(AppleKind kind, out Metric metric, out double value)
    {
        (metric, value) = (kind.Metric!, 0);
        if (kind.ConverterOf(xml, out var fault) is not { } convert) return Reject("unit-mismatch", fault);
        if (!ReadTime("startDate"u8, at, out _)) return false;
        if (!xml.TryGet("value"u8, out var text)) return Reject("missing-attribute", "The record has no value.");
        if (!Utf8Parser.TryParse(text, out value, out var used) || used != text.Length)
            return Reject("not-a-number", $"'{Shown(text)}' is not a number.");
        if (!double.IsFinite(value)) return Reject("not-finite", $"'{Shown(text)}' is not a finite number.");
        value = convert.IsIdentity ? value : convert.Convert(value);
        return true;
    }

    private void Sleep(Source source, bool hasChildren)
    {
        if (!ReadSpan()) return;
        if (!xml.TryGet("value"u8, out var value))
        {
            Reject("missing-attribute", "The record has no value.");
            return;
        }

        composite = AppleComposite.OfSleep(source, xml.Line, AppleTypes.SleepStage(value), at, end);
        ignored = null;
        if (!hasChildren) EndComposite();
    }

    private void Workout(bool hasChildren)
    {
        Records++;
        ignored = hasChildren ? "Workout" : null;
        if (!xml.TryGet("workoutActivityType"u8, out var activity))
        {
            Reject("missing-attribute", "The workout has no workoutActivityType.");
            return;
        }

        var named = Encoding.UTF8.GetString(activity);
        if (SourceOf() is not { } source || !ReadSpan()) return;
        composite = AppleComposite.OfWorkout(source, xml, kinds, named, at, end);
        ignored = null;
        if (!hasChildren) EndComposite();
    }

    private void Correlation(bool hasChildren)
    {
        // The records within others, such as Food, are read as if they stood alone: they do so once more in the same file.
        if (!xml.TryGet("type"u8, out var type) || !type.SequenceEqual("HKCorrelationTypeIdentifierBloodPressure"u8))
        {
            Skip(type.IsEmpty ? "Correlation" : Encoding.UTF8.GetString(type));
            return;
        }

        Records++;
        ignored = hasChildren ? "Correlation" : null;
        if (SourceOf() is not { } source || !ReadTime("startDate"u8, at, out _)) return;
        composite = AppleComposite.OfPressure(source, xml.Line, kinds, at);
        ignored = null;
        if (!hasChildren) EndComposite();
    }

    private void Close()
    {
        var name = xml.Name;
        if (name.SequenceEqual("HealthData"u8)) rootClosed = true;
        else if (composite is not null && composite.IsEndedBy(name)) EndComposite();
        else if (ignored is not null && Encoding.UTF8.GetString(name) == ignored) ignored = null;
    }

    private void EndComposite()
    {
        composite?.HandOn(to);
        composite = null;
    }

    private void Broken()
    {
        var line = xml.Line;
        if (!rootSeen) Root(xml.Name);
        if (AppleComposite.IsPart(xml.Name) || line == brokenLine) return;
        brokenLine = line;
        EndComposite();
        ignored = null;
        cutTold = xml.CutShort;
        to.Reject(line, Shown(xml.Name), cutTold ? "truncated-file" : "malformed-element", xml.Fault);
    }

    private void Finish()
    {
        if (!rootSeen) throw new FileRefusedException("wrong-format", "This is not an Apple Health export: it has no HealthData element.");
        EndComposite();
        CutShort = !rootClosed || xml.CutShort;
        if (CutShort && !cutTold)
            to.Reject(xml.Line, null, "truncated-file", "The file ends before its last element: it was cut. What came before is imported.");
    }

    private Source? SourceOf()
    {
        if (!xml.TryGet("sourceName"u8, out var name)) name = "Apple Health"u8;
        if (sources.TryGet(name, out var known)) return known.Source;
        var source = sourceOf(Encoding.UTF8.GetString(name));
        if (source is null) Reject("too-many-sources", "The file names more sources than one import may make.");
        else sources.Add(name, new(source));
        return source;
    }

    private bool ReadSpan()
    {
        if (!ReadTime("startDate"u8, at, out var from) || !ReadTime("endDate"u8, end, out var until)) return false;
        return until >= from || Reject("ends-before-it-begins", "endDate is before startDate.");
    }

    private bool ReadTime(ReadOnlySpan<byte> attribute, byte[] into, out long unixSeconds)
    {
        unixSeconds = 0;
        if (!xml.TryGet(attribute, out var text)) return Reject("missing-attribute", $"It has no {Encoding.UTF8.GetString(attribute)}.");
        return AppleTime.TryFormat(text, into, out unixSeconds, out var fault) || Reject(fault, $"'{Shown(text)}' is not a time with an offset.");
    }

    private bool Reject(string type, string detail)
    {
        var record = xml.Text("type"u8) ?? xml.Text("workoutActivityType"u8) ?? Encoding.UTF8.GetString(xml.Name);
        to.Reject(xml.Line, record.Length > 100 ? record[..100] : record, type, detail);
        return false;
    }

    // A hostile file may invent a name for each element; the receipt lists only so many.
    private void Skip(string type)
    {
        Records++;
        if (type.Length > 100 || skipped.Count >= MostSkippedNames && !skipped.Contains(type)) type = "other";
        skipped.Add(type);
        to.Skip(type);
    }

    private static string Shown(ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text.Length > 60 ? text[..60] : text);

    private sealed record KnownSource(Source Source);
}
