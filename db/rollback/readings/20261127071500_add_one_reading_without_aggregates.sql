-- What is lost: nothing; one reading costs more again.
create or replace function add_to_rollups() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    with hours as materialized (
        select series_id, 1::int2 as slot, hour_of(at) as bucket,
               count(*)::int as n, sum(value) as vsum, min(value) as vmin, max(value) as vmax
        from fresh where value is not null group by series_id, hour_of(at)
        union all
        select series_id, 2::int2, hour_of(at), count(*)::int, sum(value2), min(value2), max(value2)
        from fresh where value2 is not null group by series_id, hour_of(at)
        union all
        select series_id, 3::int2, hour_of(at), count(*)::int, sum(value3), min(value3), max(value3)
        from fresh where value3 is not null group by series_id, hour_of(at)
    ), hourly as (
        insert into readings_hour as t (series_id, slot, bucket, n, vsum, vmin, vmax)
        select series_id, slot, bucket, n, vsum, vmin, vmax from hours
        on conflict (series_id, slot, bucket) do update set n = t.n + excluded.n, vsum = t.vsum + excluded.vsum,
            vmin = least(t.vmin, excluded.vmin), vmax = greatest(t.vmax, excluded.vmax)
    )
    insert into readings_day as t (series_id, slot, bucket, n, vsum, vmin, vmax)
    select series_id, slot, day_of(bucket), sum(n)::int, sum(vsum), min(vmin), max(vmax)
    from hours group by series_id, slot, day_of(bucket)
    on conflict (series_id, slot, bucket) do update set n = t.n + excluded.n, vsum = t.vsum + excluded.vsum,
        vmin = least(t.vmin, excluded.vmin), vmax = greatest(t.vmax, excluded.vmax);
    return null;
end
$$;

do $$
begin
    execute replace(pg_get_functiondef('store_readings'::regproc), ' json_build_object(', ' jsonb_build_object(');
end
$$;
