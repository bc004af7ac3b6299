namespace OpenReadings.Sync.Files;

/// <summary>Reads one kind of file forward and can be taken up again where it stood.</summary>
public interface IFileReader : IDisposable
{
    /// <summary>Reads about that many records. False: the file is at its end.</summary>
    bool Read(int most);

    /// <summary>How many records were met, of whatever fate.</summary>
    long Records { get; }

    /// <summary>After the end: the file broke off and did not end as such a file does.</summary>
    bool CutShort { get; }

    /// <summary>Where a later reader may begin, after each <see cref="Read"/>.</summary>
    (long Offset, long Line) Position { get; }

    /// <summary>What else a later reader must be told; null for nothing.</summary>
    string? State { get; }
}
