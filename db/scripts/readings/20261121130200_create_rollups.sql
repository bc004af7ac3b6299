-- Count, sum, minimum and maximum of each UTC hour and UTC day of each slot of each series: what a chart of a year reads
-- in place of half a million readings. slot fits into the padding of a 16-byte key.
--
-- They are kept by triggers on readings, so that they are exact whatever statement wrote, and nobody but the triggers can
-- write them: the app has no more than select here. New readings are added to their buckets; a changed or deleted reading
-- cannot be subtracted from a minimum, so its buckets are counted again. Writers of one series queue up for a lock
-- (store_readings), so nobody counts while another one adds.
create table readings_hour (
    series_id int4 not null,
    slot int2 not null,
    bucket timestamptz not null,
    n int not null,
    vsum float8 not null,
    vmin float8 not null,
    vmax float8 not null,
    primary key (series_id, slot, bucket)
) with (fillfactor = 70);                                 -- a bucket is updated many times while it is filled: room for HOT

create table readings_day (like readings_hour including all) with (fillfactor = 70);

do $$
declare
    t text;
begin
    foreach t in array array['readings_hour', 'readings_day'] loop
        execute format('alter table %I enable row level security, force row level security', t);
        execute format('create policy %I on %I for select to %I, %I using (series_id = any (array(select a.series_id '
                    || 'from series_access a where a.user_id = (select app_user_id()) and a.expires_at > now())))',
            t || '_select', t, service_role('app'), service_role('readonly'));
        execute format('grant select on %I to %I, %I, %I', t,
            service_role('app'), service_role('backup'), service_role('readonly'));
    end loop;
end
$$;

create function hour_of(at timestamptz) returns timestamptz language sql immutable parallel safe
    return date_bin('1 hour', at, timestamptz '2000-01-01 00:00:00+00');
create function day_of(at timestamptz) returns timestamptz language sql immutable parallel safe
    return date_bin('1 day', at, timestamptz '2000-01-01 00:00:00+00');

create function add_to_rollups() returns trigger
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

create function recount_rollups() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    touched int4[];
    hours timestamptz[];
    earliest timestamptz;
    latest timestamptz;
begin
    select array_agg(series_id), array_agg(bucket), min(bucket), max(bucket) + interval '1 hour'
    into touched, hours, earliest, latest
    from (select series_id, hour_of(at) as bucket from gone group by series_id, hour_of(at)) as g;
    if touched is null then return null; end if;

    delete from readings_hour as t using unnest(touched, hours) as g(series_id, bucket)
    where t.series_id = g.series_id and t.slot between 1 and 3 and t.bucket = g.bucket;

    -- earliest and latest say nothing new, but they are known when the query starts, and so leave out whole partitions.
    insert into readings_hour (series_id, slot, bucket, n, vsum, vmin, vmax)
    select g.series_id, v.slot, g.bucket, count(*), sum(v.value), min(v.value), max(v.value)
    from unnest(touched, hours) as g(series_id, bucket)
    join readings r on r.series_id = g.series_id and r.at >= g.bucket and r.at < g.bucket + interval '1 hour'
        and r.at >= earliest and r.at < latest
    cross join lateral (values (1::int2, r.value), (2::int2, r.value2), (3::int2, r.value3)) as v(slot, value)
    where v.value is not null
    group by g.series_id, v.slot, g.bucket;

    select array_agg(series_id), array_agg(bucket) into touched, hours
    from (select series_id, day_of(bucket) as bucket from unnest(touched, hours) as h(series_id, bucket)
          group by series_id, day_of(bucket)) as g;

    delete from readings_day as t using unnest(touched, hours) as g(series_id, bucket)
    where t.series_id = g.series_id and t.slot between 1 and 3 and t.bucket = g.bucket;

    insert into readings_day (series_id, slot, bucket, n, vsum, vmin, vmax)
    select g.series_id, h.slot, g.bucket, sum(h.n), sum(h.vsum), min(h.vmin), max(h.vmax)
    from unnest(touched, hours) as g(series_id, bucket)
    join readings_hour h on h.series_id = g.series_id and h.slot between 1 and 3
        and h.bucket >= g.bucket and h.bucket < g.bucket + interval '1 day'
    group by g.series_id, h.slot, g.bucket;
    return null;
end
$$;

revoke execute on function add_to_rollups(), recount_rollups() from public;
-- A change never moves a reading in time, so the old rows name all buckets that it touched.
create trigger add_to_rollups after insert on readings
    referencing new table as fresh for each statement execute function add_to_rollups();
create trigger recount_changed after update on readings
    referencing old table as gone for each statement execute function recount_rollups();
create trigger recount_deleted after delete on readings
    referencing old table as gone for each statement execute function recount_rollups();
