namespace OpenReadings.Sync.Importing;

/// <summary>What became of the records of an import. Counts items as <c>readings</c> does: a blood pressure is one.</summary>
public sealed class Receipt
{
    public long Stored { get; set; }
    public long Unchanged { get; set; }
    public long Replaced { get; set; }
    public long Rejected { get; set; }

    /// <summary>The file broke off before its end.</summary>
    public bool Truncated { get; set; }

    /// <summary>What was sent, by metric or kind of event.</summary>
    public SortedDictionary<string, long> Types { get; set; } = new(StringComparer.Ordinal);

    /// <summary>What is not imported and is no mistake, by the file's own names.</summary>
    public SortedDictionary<string, long> Skipped { get; set; } = new(StringComparer.Ordinal);

    /// <summary>The sources that were written to, with their names.</summary>
    public Dictionary<Guid, string> Sources { get; set; } = [];

    public void Add(Receipt other)
    {
        (Stored, Unchanged, Replaced, Rejected) = (Stored + other.Stored, Unchanged + other.Unchanged, Replaced + other.Replaced, Rejected + other.Rejected);
        Truncated |= other.Truncated;
        foreach (var (type, count) in other.Types) Count(Types, type, count);
        foreach (var (type, count) in other.Skipped) Count(Skipped, type, count);
        foreach (var (id, name) in other.Sources) Sources[id] = name;
    }

    public static void Count(SortedDictionary<string, long> counts, string name, long more) => counts[name] = counts.GetValueOrDefault(name) + more;
}

/// <summary>Where a later worker begins, and what had become of everything before.</summary>
public sealed record Checkpoint(Position Position, long Records, int Rejects, Receipt Receipt);

/// <summary>Something that was not stored.</summary>
public sealed record Reject(long Line, string? Record, string Type, string Detail);
