using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace OpenReadings.Sync.Importing;

/// <summary>A source of readings that a file names. One object for each while the file is read.</summary>
/// <param name="Id">The source's id in <c>readings</c>.</param>
/// <param name="Name">How people call it.</param>
/// <param name="Kind">What it is, such as <c>apple-health</c>.</param>
public sealed record Source(Guid Id, string Name, string Kind)
{
    /// <summary>
    /// The id of a source that has none of its own: the same person, kind and name always give the same, so that importing
    /// again, on any machine, writes to the same source.
    /// </summary>
    public static Guid IdOf(Guid user, string kind, string name)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData([.. user.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes($"{kind}\n{name}")], hash);
        hash[6] = (byte)(hash[6] & 0x0F | 0x80);    // version 8: made by a rule of our own
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }

    /// <summary>All that its owner said of it (the body of <c>PutSource</c>), where the file holds that; it then is made so.</summary>
    public byte[]? Declared { get; init; }

    internal SourceColumns? Columns { get; set; }
}

/// <summary>One named measure of a source. One object for each while the file is read.</summary>
/// <param name="Name">Its name within the source.</param>
/// <param name="Unit">The UCUM unit in which its values are handed on.</param>
/// <param name="Type">The catalog's series type; null for a metric of the person's own.</param>
/// <param name="Counter">Its values are readings of a register that only grows.</param>
public sealed record Metric(string Name, string Unit, string? Type = null, bool Counter = false)
{
    /// <summary>Its number among the metrics of one import, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>Which of the parallel senders carries it.</summary>
    public int Lane => Group ?? Index % Batches.Lanes;

    /// <summary>The lane of metrics that make one reading; null for a metric that stands alone.</summary>
    public int? Group { get; init; }
}

/// <summary>A value with its unit.</summary>
public sealed record Quantity(double Value, string Unit);

/// <summary>Something with a beginning and an end: a workout, a stage of sleep. Times are RFC 3339 as the file gave them.</summary>
public sealed record Happening(
    string Kind, string Type, string From, string To, IReadOnlyDictionary<string, Quantity>? Values = null,
    IReadOnlyDictionary<string, object>? Details = null)
{
    /// <summary>The event's own id, where it has one; it keeps it where it is free.</summary>
    public Guid? Id { get; init; }

    /// <summary>About how many characters of JSON it makes.</summary>
    [JsonIgnore]
    public int Length => 150 + (Values?.Count ?? 0) * 80 + (Details?.Sum(detail => detail.Key.Length + (detail.Value switch
    {
        string text => text.Length,
        System.Text.Json.JsonElement any => any.GetRawText().Length,
        IReadOnlyDictionary<string, string> texts => texts.Sum(text => text.Key.Length + text.Value.Length + 10),
        _ => 10,
    })) ?? 0);
}

/// <summary>Takes what a reader finds in a file. Times are RFC 3339 in UTF-8 with the offset that the file gave.</summary>
public interface IRecords
{
    /// <summary>A source that is to be there, even if nothing of it follows.</summary>
    void Declared(Source source);

    /// <summary>One value of one metric.</summary>
    void Reading(Source source, Metric metric, ReadOnlySpan<byte> at, double value, long line);

    /// <summary>Values of several metrics at one time; NaN for those that are not there.</summary>
    void Row(Source source, Metric[] metrics, ReadOnlySpan<byte> at, ReadOnlySpan<double> values, long line);

    /// <summary>Something with a beginning and an end.</summary>
    void Happened(Source source, Happening happening, long line);

    /// <summary>Something that is not imported, and is no mistake.</summary>
    void Skip(string type);

    /// <summary>Something that should have been imported and cannot be.</summary>
    void Reject(long line, string? record, string type, string detail);
}

/// <summary>The whole file cannot be imported; the message says why, <see cref="Type"/> in kebab-case.</summary>
public sealed class FileRefusedException(string type, string detail) : Exception(detail)
{
    public string Type => type;
}
