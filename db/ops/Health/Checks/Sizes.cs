using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>How large everything is, and how it grows.</summary>
internal static class Sizes
{
    private sealed record Table(string Name, int Parts, long Heap, long Indexes, long Toast, long Total);

    private sealed record Grown(string Name, int Parts, long Heap, long Indexes, long Toast, long Total, double? PerDay);

    private sealed record Index(string Name, string Table, long Bytes, long Scans);

    private sealed record Figure(long Database, double? PerDay, IReadOnlyList<Grown> Tables, IReadOnlyList<Index> Indexes);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        // By oid, so that no name needs quoting; the parts of a partitioned table count for it.
        var tables = await database.QueryAsync<Table>(
            """
            with parts as (
                select coalesce(pg_partition_root(c.oid), c.oid) as root, pg_relation_size(c.oid) as heap, pg_indexes_size(c.oid) as indexes,
                    pg_total_relation_size(c.oid) as total
                from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema'))
            select root::regclass::text as name, count(*)::int as parts, sum(heap)::int8 as heap, sum(indexes)::int8 as indexes,
                sum(total - heap - indexes)::int8 as toast, sum(total)::int8 as total
            from parts group by root order by total desc, name
            """, ct);
        var indexes = await database.QueryAsync<Index>(
            """
            select indexrelid::regclass::text as name, relid::regclass::text as table, pg_relation_size(indexrelid) as bytes, idx_scan as scans
            from pg_stat_user_indexes order by bytes desc, name limit 10
            """, ct);
        var size = await database.OneAsync<long>("select pg_database_size(current_database())", ct);

        var perDay = scope.History?.PerDay(section.Of, size);
        section.Figures = new Figure(size, perDay, [.. tables.Select(table => new Grown(table.Name, table.Parts, table.Heap, table.Indexes,
            table.Toast, table.Total, scope.History?.PerDay($"{section.Of}.{table.Name}", table.Total)))], indexes);
        section.Summary = Words.Bytes(size) + (perDay is { } grown ? $" ({(grown < 0 ? "" : "+")}{Words.Bytes(grown)} a day)" : "");
        if (perDay is > 0 && size > 1e9 && size / perDay < scope.Limits.DoublesInDays)
            section.Find(Severity.Warn, $"it grows by {Words.Bytes(perDay.Value)} a day and doubles within {size / perDay:0} days",
                "`ops doctor --json` has the growth of each table; see that the disk will do");
        section.Measure(Metric.DatabaseSize, size, section.Of);
        foreach (var table in tables.Take(10)) section.Measure(Metric.TableSize, table.Total, section.Of, table.Name);
    }

    /// <summary>The sizes to remember for tomorrow, by the name that <see cref="LookAsync"/> asks for.</summary>
    public static Dictionary<string, long> Measured(IEnumerable<Section> sections) => sections
        .Where(section => section.Figures is Figure)
        .SelectMany(section => ((Figure)section.Figures!).Tables.Select(table => ($"{section.Of}.{table.Name}", table.Total))
            .Append((section.Of, ((Figure)section.Figures!).Database)))
        .ToDictionary(size => size.Item1, size => size.Item2);
}
