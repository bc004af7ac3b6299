namespace OpenReadings.Ops.Health;

/// <summary>From where on a figure is a finding.</summary>
internal sealed record Thresholds
{
    public Limit ConnectionsRatio { get; init; } = new(0.8, 0.95);
    public Limit IdleInTransactionSeconds { get; init; } = new(60, 600);
    public Limit StatementSeconds { get; init; } = new(60, 600);
    public Limit BlockedSeconds { get; init; } = new(5, 60);

    /// <summary>Mean time of a statement of which pg_stat_statements has seen a hundred or more.</summary>
    public Limit MeanMilliseconds { get; init; } = new(500, double.PositiveInfinity);

    /// <summary>Blocks not found in memory, of a hundred thousand or more.</summary>
    public Limit CacheMissRatio { get; init; } = new(0.1, double.PositiveInfinity);

    public double BloatRatio { get; init; } = 0.5;
    public Limit BloatBytes { get; init; } = new(256e6, double.PositiveInfinity);
    public double UnusedIndexBytes { get; init; } = 16e6;
    public TimeSpan UnusedFor { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Days in which the database doubles, if it is larger than a gigabyte.</summary>
    public double DoublesInDays { get; init; } = 30;

    /// <summary>Of autovacuum_freeze_max_age: at 1 the server begins by itself, and beyond it does not keep up.</summary>
    public Limit WraparoundRatio { get; init; } = new(1.2, 3);

    /// <summary>Of the 2^31 numbers after which the server stops taking writes.</summary>
    public Limit ExhaustedRatio { get; init; } = new(0.4, 0.6);

    public Limit ReplicationLagSeconds { get; init; } = new(30, 300);
    public Limit SlotRetainedBytes { get; init; } = new(1e9, 10e9);
    public Limit OutboxLagSeconds { get; init; } = new(60, 600);
    public Limit QueueMessages { get; init; } = new(1000, 100_000);
    public Limit BackupAgeSeconds { get; init; } = new(26 * 3600, 50 * 3600);
    public Limit DeadRowsRatio { get; init; } = new(0.4, double.PositiveInfinity);
}
