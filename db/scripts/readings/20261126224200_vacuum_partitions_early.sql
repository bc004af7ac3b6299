-- A partition is written at its end and read by its index. Vacuumed after a twentieth of new rows instead of a fifth, most of
-- its pages are known to be visible to all, are frozen on the way, and the statistics know today's rows.
-- A partitioned table takes no such settings: each partition has its own, from its making.
create or replace function make_readings_partition(name text, from_bound text, until_bound text) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    execute format('create table %I (like readings including defaults) with (autovacuum_vacuum_insert_scale_factor = 0.05, '
                || 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)', name);
    execute format('alter table %I enable row level security, force row level security', name);
    execute format('revoke all on %I from public, %I, %I, %I', name,
        service_role('app'), service_role('readonly'), service_role('relay'));
    -- Attaching, unlike "create … partition of", lets readers and writers of the other partitions go on.
    execute format('alter table readings attach partition %I for values from (%s) to (%s)', name, from_bound, until_bound);
end
$$;

do $$
declare
    part regclass;
begin
    for part in select inhrelid::regclass from pg_inherits where inhparent = 'readings'::regclass order by 1 loop
        execute format('alter table %s set (autovacuum_vacuum_insert_scale_factor = 0.05, '
                    || 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)', part);
    end loop;
end
$$;
