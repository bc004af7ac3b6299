using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>How many of the blocks asked for were in memory, over all, of indexes, and of the tables that fare worst.</summary>
internal static class Cache
{
    private sealed record Ratio(double? Hit, double? IndexHit, long Blocks, long Committed, long RolledBack);

    private sealed record Table(string Name, double? Hit, long Reads);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        // nullif: on a database nobody has asked yet there is no ratio, and dividing would be an error.
        var ratio = await database.OneAsync<Ratio>(
            """
            select blks_hit::float8 / nullif(blks_hit + blks_read, 0) as hit,
                (select sum(idx_blks_hit)::float8 / nullif(sum(idx_blks_hit + idx_blks_read), 0)::float8
                    from pg_statio_user_tables) as index_hit,
                blks_hit + blks_read as blocks, xact_commit as committed, xact_rollback as rolled_back
            from pg_stat_database where datname = current_database()
            """, ct);
        var tables = await database.QueryAsync<Table>(
            """
            select relid::regclass::text as name, heap_blks_hit::float8 / nullif(heap_blks_hit + heap_blks_read, 0) as hit,
                heap_blks_read as reads
            from pg_statio_user_tables where heap_blks_read > 0
            order by heap_blks_read desc, 1 limit 5
            """, ct);
        section.Figures = new { ratio.Hit, ratio.IndexHit, ratio.Blocks, Tables = tables };
        section.Summary = ratio.Hit is { } hit ? Words.Percent(hit) : "idle";
        section.Measure(Metric.Transactions, ratio.Committed, section.Of, "committed");
        section.Measure(Metric.Transactions, ratio.RolledBack, section.Of, "rolled_back");
        if (ratio.Hit is not { } found) return;
        section.Measure(Metric.CacheHits, found, section.Of);
        if (ratio.Blocks >= 100_000)
            section.Judge(1 - found, scope.Limits.CacheMissRatio, $"only {Words.Percent(found)} of the blocks were in memory",
                $"most was read for {(tables.Count > 0 ? tables[0].Name : "indexes")}; `ops slow` finds the reader, `ops tune` the right shared_buffers");
    }
}
