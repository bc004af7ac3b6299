using OpenReadings.Sync.Files;

namespace OpenReadings.Sync.Importing;

/// <summary>The limits of imports: the section <c>Imports</c> of the configuration.</summary>
public sealed record ImportOptions
{
    /// <summary>Where files wait. All replicas share it.</summary>
    public string Directory { get; init; } = ".dev/imports";

    /// <summary>The largest file.</summary>
    public long MaxBytes { get; init; } = 16L << 30;

    /// <summary>How many imports of one person may wait or run.</summary>
    public int MaxUnfinished { get; init; } = 10;

    /// <summary>How many bytes the files of one person that wait or run may take on the disk.</summary>
    public long MaxUnfinishedBytes { get; init; } = 32L << 30;

    /// <summary>How many files one person may be sending to one replica at once.</summary>
    public int MaxUploads { get; init; } = 5;

    /// <summary>How many imports one replica runs at once.</summary>
    public int Parallel { get; init; } = 2;

    /// <summary>Rejects that are kept of one import; all are counted.</summary>
    public int MaxRejects { get; init; } = 100_000;

    /// <summary>How much of a file a dry run looks at.</summary>
    public int PreviewBytes { get; init; } = 8 << 20;

    /// <summary>A worker that was silent for so long is taken for dead, and another takes its import up.</summary>
    public int LeaseSeconds { get; init; } = 15;

    /// <summary>A checkpoint stands behind every so many records, and at least every three seconds.</summary>
    public int CheckpointRecords { get; init; } = 200_000;

    /// <summary>An import that could not go on for so long fails.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromDays(7);

    public FileLimits Unpacked { get; init; } = new();
}
