using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Standbys and how far they are behind; slots and what they hold back; on a standby, its own lag.</summary>
internal static class Replication
{
    private sealed record Standby(string Name, string State, string Sync, double LagSeconds, double LagBytes);

    private sealed record Slot(string Name, bool Active, string Status, double RetainedBytes);

    private sealed record Here(bool IsStandby, double LagSeconds);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        // A standby that has replayed all it received is not behind, however long ago the last transaction was.
        var here = await database.OneAsync<Here>(
            """
            select pg_is_in_recovery() as is_standby, case
                when not pg_is_in_recovery() or pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
                else coalesce(extract(epoch from now() - pg_last_xact_replay_timestamp()), 0) end::float8 as lag_seconds
            """, ct);
        const string current = "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end";
        var standbys = await database.QueryAsync<Standby>(
            $"""
            select coalesce(nullif(application_name, ''), client_addr::text, pid::text) as name,
                coalesce(state, '') as state, coalesce(sync_state, '') as sync,
                coalesce(extract(epoch from replay_lag), 0)::float8 as lag_seconds,
                coalesce(pg_wal_lsn_diff({current}, replay_lsn), 0)::float8 as lag_bytes
            from pg_stat_replication order by 1
            """, ct);
        var slots = await database.QueryAsync<Slot>(
            $"""
            select slot_name::text as name, active, coalesce(wal_status, '') as status,
                coalesce(pg_wal_lsn_diff({current}, restart_lsn), 0)::float8 as retained_bytes
            from pg_replication_slots order by 1
            """, ct);

        section.Figures = new { here.IsStandby, here.LagSeconds, Standbys = standbys, Slots = slots };
        section.Summary = here.IsStandby ? $"a standby, {Words.Age(here.LagSeconds)} behind"
            : standbys.Count == 0 && slots.Count == 0 ? "none"
            : string.Join(", ", standbys.Select(standby => $"{standby.Name} {standby.State}, {Words.Age(standby.LagSeconds)} behind")
                .Concat(slots.Select(slot => $"slot {slot.Name} {(slot.Active ? "active" : "inactive")}")));

        const string network = "look at the standby's log, its disk and the network; what it replays may be held up by a long query there";
        if (here.IsStandby)
        {
            section.Measure(Metric.ReplicationLag, here.LagSeconds, section.Of);
            section.Judge(here.LagSeconds, scope.Limits.ReplicationLagSeconds, $"this standby is {Words.Age(here.LagSeconds)} behind", network);
        }
        foreach (var standby in standbys)
        {
            section.Measure(Metric.ReplicationLag, standby.LagSeconds, standby.Name);
            section.Judge(standby.LagSeconds, scope.Limits.ReplicationLagSeconds,
                $"{standby.Name} is {Words.Age(standby.LagSeconds)} and {Words.Bytes(standby.LagBytes)} behind", network);
        }
        foreach (var slot in slots)
        {
            section.Measure(Metric.SlotRetained, slot.RetainedBytes, slot.Name);
            if (slot.Status is "lost" or "unreserved")
                section.Find(Severity.Bad, $"slot {slot.Name} is {slot.Status}: its standby cannot follow any more",
                    "make the standby anew: `ops replica`");
            else if (!slot.Active)
                section.Find(Severity.Warn, $"nobody uses the slot {slot.Name}; it holds back {Words.Bytes(slot.RetainedBytes)} of WAL",
                    $"start its standby, or: select pg_drop_replication_slot('{slot.Name}')");
            section.Judge(slot.RetainedBytes, scope.Limits.SlotRetainedBytes,
                $"slot {slot.Name} holds back {Words.Bytes(slot.RetainedBytes)} of WAL",
                "the disk fills: bring its standby back, or drop the slot; max_slot_wal_keep_size bounds it");
        }
    }
}
