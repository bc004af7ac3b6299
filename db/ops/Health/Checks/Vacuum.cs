namespace OpenReadings.Ops.Health.Checks;

/// <summary>Whether autovacuum comes round, and has its own settings where the general ones come too late.</summary>
internal static class Vacuum
{
    private sealed record Dead(string Table, long Live, long Rows, double? VacuumedSecondsAgo);

    private sealed record Setting(string Table, string? Options);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var dead = await database.QueryAsync<Dead>(
            """
            select relid::regclass::text as table, n_live_tup as live, n_dead_tup as rows,
                extract(epoch from now() - greatest(last_vacuum, last_autovacuum))::float8 as vacuumed_seconds_ago
            from pg_stat_user_tables where n_dead_tup > 0 order by n_dead_tup desc, 1 limit 10
            """, ct);
        // Said by the scripts vacuum_mail_bags_early and vacuum_partitions_early.
        var unset = await database.QueryAsync<string>(
            """
            select oid::regclass::text from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r'
                and (relname in ('outbox', 'inbox') and not coalesce(reloptions::text like '%autovacuum_vacuum_scale_factor=%', false)
                    or pg_partition_root(oid) = to_regclass('public.readings')
                        and not coalesce(reloptions::text like '%autovacuum_vacuum_insert_scale_factor=%', false))
            order by 1
            """, ct);
        var off = await database.QueryAsync<Setting>(
            """
            select oid::regclass::text as table, reloptions::text as options from pg_class
            where reloptions::text like '%autovacuum_enabled=false%' or reloptions::text like '%autovacuum_enabled=off%' order by 1
            """, ct);

        var worst = dead.Select(table => (double)table.Rows).DefaultIfEmpty(0).Max();
        section.Figures = new { Dead = dead, Unset = unset, Off = off };
        section.Summary = worst == 0 ? "clean" : $"{worst:0} dead rows in {dead[0].Table}";
        foreach (var table in dead.Where(table => table.Rows > 50_000 && table.VacuumedSecondsAgo is null or > 3600))
            section.Judge((double)table.Rows / (table.Rows + table.Live), scope.Limits.DeadRowsRatio,
                $"{table.Table} has {table.Rows} dead rows beside {table.Live} live ones",
                $"`ops maint vacuum -s {section.Of} --table {table.Table}`; if the rows stay, an old transaction or a slot holds them");
        var more = unset.Count > 3 ? $" and {unset.Count - 3} more" : "";
        if (unset.Count > 0)
            section.Find(Severity.Warn, $"no autovacuum settings of their own: {string.Join(", ", unset.Take(3))}{more}",
                "`migrate up`");
        foreach (var table in off)
            section.Find(Severity.Bad, $"autovacuum is off for {table.Table}", $"alter table {table.Table} reset (autovacuum_enabled)");
    }
}
