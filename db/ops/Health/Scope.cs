using System.CommandLine;

namespace OpenReadings.Ops.Health;

/// <summary>What is looked at, and where the sizes of before are kept.</summary>
internal sealed record Scope(IReadOnlyList<Place> Places)
{
    public Uri? Broker { get; init; }
    public string? Backups { get; init; }
    public SizeHistory? History { get; init; }
    public Thresholds Limits { get; init; } = new();

    public static Scope Of(ParseResult line) => new(Place.Of(line))
    {
        Broker = Queues.Broker.Address,
        Backups = Settings.Find("OPENREADINGS_BACKUP_TARGET"),
    };
}
