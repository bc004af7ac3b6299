using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Indexes that are broken, redundant or unused, and foreign keys and large tables that lack one.</summary>
internal static class Indexes
{
    private sealed record Fault(string Name, string Table, string By, long Bytes);

    private sealed record Scanned(string Table, long Scans, double RowsEach);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var limits = scope.Limits;
        var invalid = await database.QueryAsync<Fault>(
            """
            select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table, '' as by,
                pg_relation_size(i.indexrelid) as bytes
            from pg_index i join pg_class c on c.oid = i.indexrelid
            where not (i.indisvalid and i.indisready and i.indislive) and c.relpersistence <> 't'
                and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid or p.relid = i.indrelid)
            order by 1
            """, ct);
        // Redundant: its columns are the first ones of another index of the same kind, order, condition and reach.
        var redundant = await database.QueryAsync<Fault>(
            """
            with indexes as (
                select i.indexrelid, i.indrelid, c.relam, i.indisunique, i.indnkeyatts = i.indnatts as plain, i.indnatts,
                    i.indkey::text || ' ' as keys, i.indclass::text || ' ' as classes, i.indcollation::text || ' ' as collations,
                    i.indoption::text || ' ' as options, coalesce(pg_get_expr(i.indexprs, i.indrelid), '') as expressions,
                    coalesce(pg_get_expr(i.indpred, i.indrelid), '') as predicate,
                    exists (select from pg_constraint k where k.conindid = i.indexrelid) as constrains
                from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
                where i.indisvalid and not c.relispartition and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema'))
            select a.indexrelid::regclass::text as name, a.indrelid::regclass::text as table, min(b.indexrelid::regclass::text) as by,
                pg_relation_size(a.indexrelid) as bytes
            from indexes a join indexes b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid and b.relam = a.relam
                and b.expressions = a.expressions and b.predicate = a.predicate
                and starts_with(b.keys, a.keys) and starts_with(b.classes, a.classes)
                and starts_with(b.collations, a.collations) and starts_with(b.options, a.options)
            where a.plain and not a.constrains and (not a.indisunique or b.indisunique and b.keys = a.keys)
                and (b.indnatts > a.indnatts or b.constrains or b.indisunique and not a.indisunique or b.indexrelid < a.indexrelid)
            group by a.indexrelid, a.indrelid order by 1
            """, ct);
        // A database that is not as old as the limit cannot have an index that was unused for so long.
        var unused = await database.QueryAsync<Fault>(
            """
            with observed as (
                select coalesce(stats_reset, (pg_stat_file(format('base/%s/PG_VERSION', datid))).modification) as since
                from pg_stat_database where datname = current_database())
            select coalesce(pg_partition_root(s.indexrelid), s.indexrelid)::regclass::text as name,
                min(s.relid::regclass::text) as table, '' as by,
                sum(pg_relation_size(s.indexrelid))::int8 as bytes
            from pg_stat_user_indexes s join pg_index i using (indexrelid), observed
            where not i.indisunique and i.indisvalid and not exists (select from pg_constraint k where k.conindid = s.indexrelid)
                and observed.since < now() - make_interval(secs => @seconds)
            group by coalesce(pg_partition_root(s.indexrelid), s.indexrelid)
            having sum(s.idx_scan) = 0 and sum(pg_relation_size(s.indexrelid)) >= @bytes
            order by 1
            """, ct, new { seconds = limits.UnusedFor.TotalSeconds, bytes = limits.UnusedIndexBytes });
        var missing = await database.QueryAsync<Fault>(
            """
            select k.conname::text as name, k.conrelid::regclass::text as table, '' as by, pg_relation_size(k.conrelid) as bytes
            from pg_constraint k join pg_class c on c.oid = k.conrelid
            where k.contype = 'f' and k.conparentid = 0
                and not exists (
                    select from pg_index i
                    where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
                        and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
            order by 1
            """, ct);
        var scanned = await database.QueryAsync<Scanned>(
            """
            select relid::regclass::text as table, seq_scan as scans, seq_tup_read::float8 / seq_scan as rows_each
            from pg_stat_user_tables where seq_scan >= 1000 and seq_tup_read / seq_scan >= 10000
            order by seq_tup_read desc, 1 limit 5
            """, ct);

        foreach (var index in invalid)
            section.Find(Severity.Bad, $"{index.Name} on {index.Table} is invalid: kept up at each write and used by nobody",
                $"`ops maint reindex -s {section.Of}`");
        foreach (var index in redundant)
            section.Find(Severity.Warn, $"{index.Name} ({Words.Bytes(index.Bytes)}) can do nothing that {index.By} cannot",
                $"a script with: drop index concurrently {index.Name}");
        foreach (var index in unused)
            section.Find(Severity.Warn, $"{index.Name} ({Words.Bytes(index.Bytes)}) was not used for {limits.UnusedFor.TotalDays:0} days",
                $"if no standby uses it: a script with drop index concurrently {index.Name}");
        foreach (var key in missing)
            section.Find(Severity.Warn, $"foreign key {key.Name} of {key.Table} has no index: each delete on the other side reads the whole table",
                "a script with: create index concurrently …");
        foreach (var table in scanned)
            section.Find(Severity.Warn, $"{table.Table} was read from end to end {table.Scans} times, {table.RowsEach:0} rows each",
                "`ops slow` finds the statement, `ops explain` the column to index");

        section.Figures = new { Invalid = invalid, Redundant = redundant, Unused = unused, Missing = missing, Scanned = scanned };
        section.Summary = section.Findings.Count == 0 ? "sound" : $"{section.Findings.Count} to look at";
        foreach (var (fault, found) in new[] { ("invalid", invalid), ("redundant", redundant), ("unused", unused), ("missing", missing) })
            section.Measure(Metric.Indexes, found.Count, section.Of, fault);
    }
}
