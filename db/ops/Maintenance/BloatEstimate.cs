namespace OpenReadings.Ops.Maintenance;

/// <summary>A table or B-tree, and what it would be if its rows were written anew, by the widths that ANALYZE saw.</summary>
internal sealed record BloatEstimate(string Name, bool IsIndex, long Bytes, long Wasted)
{
    public double Ratio => Bytes == 0 ? 0 : (double)Wasted / Bytes;

    /// <summary>Of everything larger than a megabyte that was analyzed, the most wasteful first.</summary>
    public static Task<IReadOnlyList<BloatEstimate>> ReadAsync(ServiceDatabase database, CancellationToken ct) => database.QueryAsync<BloatEstimate>(
        """
        with relations as (
            select c.oid, c.relkind, c.reltuples, c.relnatts, i.indrelid, i.indkey, i.indexprs, pg_relation_size(c.oid) as bytes,
                coalesce((select option_value::float8 from pg_options_to_table(c.reloptions) where option_name = 'fillfactor'),
                    case c.relkind when 'i' then 90 else 100 end) / 100 as fill
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
                left join pg_index i on i.indexrelid = c.oid left join pg_am a on a.oid = c.relam
            where (c.relkind in ('r', 'm') or c.relkind = 'i' and a.amname = 'btree') and c.relpersistence <> 't'
                and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema')),
        widths as (
            -- A tuple is its header and columns, in steps of eight bytes, and a pointer of four.
            select r.oid, count(*) as columns,
                case r.relkind when 'i' then 8 else 24 end + ceil(sum((1 - s.stanullfrac) * s.stawidth) / 8) * 8 + 4 as width
            from relations r join pg_statistic s on s.starelid = coalesce(r.indrelid, r.oid) and not s.stainherit
                and (r.relkind <> 'i' or s.staattnum = any (r.indkey))
            where r.bytes > 1000000 and r.reltuples >= 0 and r.indexprs is null
            group by r.oid, r.relkind),
        estimates as (
            select r.oid, r.relkind, r.bytes,
                greatest(r.bytes - ceil(r.reltuples * w.width / 8168 / r.fill) * 8192 - 16384, 0)::int8 as wasted
            from relations r join widths w using (oid) where w.columns = r.relnatts)
        select oid::regclass::text as name, relkind = 'i' as is_index, bytes, wasted
        from estimates where wasted > 0 order by wasted desc, name
        """, ct);
}
