namespace OpenReadings.Ops.Pooling;

/// <summary>How the connections that a server has are shared out among poolers and databases.</summary>
internal sealed record Sizing(int MaxConnections, int Usable, int Databases, int Replicas, int Poolers)
{
    // What a replica of a service opens at most: services/chassis/Chassis.cs.
    private const int AppPool = 40, RelayPool = 2;

    // Migrations, backups, monitoring and the operator go past the pooler.
    private const int Direct = 12;

    // Beside the pool of the app: two for the relay and one to ask for verifiers.
    private const int Beside = 3, SmallestPool = 2;

    /// <summary>Server connections that one pooler may hold to one database.</summary>
    public int PerDatabase => (Usable - Direct) / (Poolers * Databases);
    public int Pool => PerDatabase - Beside;

    /// <summary>All that the services may open, on any one of the poolers, while a release runs old and new replicas side by side.</summary>
    public int Clients => 2 * WithoutPooler;
    public int WithoutPooler => Replicas * Databases * (AppPool + RelayPool);
    public int AllServerConnections => PerDatabase * Databases * Poolers;

    /// <summary>The largest number of file descriptors that PgBouncer may need.</summary>
    public int Files => Clients + PerDatabase * Databases + 64;

    public Sizing OrRefuse()
    {
        if (Pool >= SmallestPool) return this;
        var needed = MaxConnections - Usable + Direct + (SmallestPool + Beside) * Databases * Poolers;
        throw new OpsException(Exit.Refused, $"max_connections is {MaxConnections}: {Poolers} pooler(s) for {Databases} databases need {needed} at least.");
    }
}
