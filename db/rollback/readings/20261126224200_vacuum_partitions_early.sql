-- Nothing is lost: autovacuum comes as early as for any other table.
create or replace function make_readings_partition(name text, from_bound text, until_bound text) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    execute format('create table %I (like readings including defaults)', name);
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
        execute format('alter table %s reset (autovacuum_vacuum_insert_scale_factor, '
                    || 'autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)', part);
    end loop;
end
$$;
