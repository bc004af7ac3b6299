using System.Reflection;

namespace OpenReadings.Ops.Metrics;

/// <summary>One figure: its name in Prometheus, and what docs/metrics.md says of it.</summary>
internal sealed record Metric(string Name, string Help, params string[] Labels)
{
    public static readonly Metric Up = new("openreadings_up", "1 when the database, server or broker could be looked at.", "part");
    public static readonly Metric Findings = new("openreadings_findings", "Findings of `ops doctor` by check.", "check", "severity");
    public static readonly Metric Connections = new("openreadings_db_connections", "Client connections by state.", "state", "server");
    public static readonly Metric ConnectionsMax = new(
        "openreadings_db_connections_max", "Connections the server takes from others than superusers.", "server");
    public static readonly Metric IdleInTransaction = new(
        "openreadings_db_idle_in_transaction_seconds", "The longest idle wait within an open transaction.", "server");
    public static readonly Metric Transactions = new(
        "openreadings_db_transactions_total", "Transactions that ended, by outcome.", "service", "outcome");
    public static readonly Metric CacheHits = new(
        "openreadings_db_cache_hit_ratio", "Blocks found in shared buffers, of all asked for; absent on an idle database.", "service");
    public static readonly Metric DatabaseSize = new("openreadings_db_size_bytes", "Size of the database.", "service");
    public static readonly Metric TableSize = new(
        "openreadings_table_size_bytes", "Size of the ten largest tables with indexes and toast; partitions count for their table.", "service", "table");
    public static readonly Metric Bloat = new(
        "openreadings_bloat_bytes", "Estimated bytes that a rewrite of tables and indexes would free.", "service");
    public static readonly Metric Indexes = new(
        "openreadings_faulty_indexes", "Indexes that are invalid, redundant or unused; foreign keys without one (missing).", "service", "fault");
    public static readonly Metric LongestStatement = new(
        "openreadings_db_longest_statement_seconds", "How long the longest running statement has been running.", "service");
    public static readonly Metric Blocked = new("openreadings_db_blocked_sessions", "Sessions that wait for a lock of another.", "server");
    public static readonly Metric BlockedFor = new("openreadings_db_blocked_seconds", "The longest wait for a lock.", "server");
    public static readonly Metric Wraparound = new(
        "openreadings_wraparound_ratio",
        "Age of the oldest transaction or multixact id, of the age at which the server vacuums by force; more than 1 means that it does not keep up.",
        "database", "server");
    public static readonly Metric ReplicationLag = new(
        "openreadings_replication_lag_seconds", "How far a standby is behind; absent without standbys.", "standby");
    public static readonly Metric SlotRetained = new(
        "openreadings_replication_slot_retained_bytes", "WAL that a replication slot holds back.", "slot");
    public static readonly Metric ArchiveFailures = new(
        "openreadings_wal_archive_failures_total", "WAL files that could not be archived, since the statistics were reset.", "server");
    public static readonly Metric ArchiveAge = new(
        "openreadings_wal_archive_age_seconds", "Seconds since a WAL file was archived; absent when archiving is off.", "server");
    public static readonly Metric OutboxRows = new("openreadings_outbox_rows", "Events that wait to be sent.", "service");
    public static readonly Metric OutboxLag = new(
        "openreadings_outbox_lag_seconds", "Age of the oldest event that waits to be sent; 0 when none does.", "service");
    public static readonly Metric OutboxParked = new(
        "openreadings_outbox_parked", "Events that the broker refused and that wait for an operator.", "service");
    public static readonly Metric QueueMessages = new("openreadings_queue_messages", "Messages that are ready in a queue.", "queue");
    public static readonly Metric QueueConsumers = new("openreadings_queue_consumers", "Consumers of a queue.", "queue");
    public static readonly Metric DeadLetters = new(
        "openreadings_dead_letters", "Messages that a consumer gave up, parked beside its queue.", "queue");
    public static readonly Metric SchemaPending = new(
        "openreadings_schema_pending_scripts", "Migration scripts of this release that are not applied.", "service");
    public static readonly Metric SchemaVersion = new(
        "openreadings_schema_version", "The time in the name of the newest migration script that is applied, as a number: 20261121130000.", "service");
    public static readonly Metric Unprotected = new(
        "openreadings_rls_gaps", "Tables without row-level security, and rights the application must not have.", "service");
    public static readonly Metric BackupAge = new(
        "openreadings_backup_age_seconds", "Age of the newest backup; absent while OPENREADINGS_BACKUP_TARGET is not set.", "service");

    public static IReadOnlyList<Metric> All { get; } =
    [
        .. typeof(Metric).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => field.GetValue(null)).OfType<Metric>(),
    ];

    public string Kind => Name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
}

/// <summary>A metric's value for one combination of its labels.</summary>
internal sealed record Sample(Metric Metric, double Value, params string[] Labels);
