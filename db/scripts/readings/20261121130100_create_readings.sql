-- The readings themselves: 84 bytes each with their index. 8-byte columns first, so that nothing is padded; utc_offset fits
-- into the padding at the end and costs no byte; columns that are null cost none either while there are at most eight.
create table readings (
    at timestamptz not null,
    value float8,
    value2 float8,                                        -- slots 2 and 3 of a series: diastolic, pulse
    value3 float8,
    series_id int4 not null,                              -- no foreign key: the insert policy already proves the series
    utc_offset int2 not null default 0,                   -- minutes east of UTC as the reading was given; at itself is an instant
    extra jsonb,
    primary key (series_id, at)                           -- the natural key: sending a reading again is the same reading
) partition by range (at);

-- A policy is not inherited by partitions and a privilege is checked on the table that is named: only readings is granted,
-- its partitions are not, and each has row-level security forced with no policy at all.
-- Partitions are few, because a prepared plan locks all of them (docs/decisions/0004-partitions-few.md).
create function make_readings_partition(name text, from_bound text, until_bound text) returns void
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
revoke execute on function make_readings_partition(text, text, text) from public;

-- Makes the months up to and with the given one that do not exist yet, and says how many it made. Safe to call at any time
-- and by several at once. The app may call it, and so can make empty months ahead, at most two years, and nothing else.
create function make_readings_partitions(until date) returns int
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s' as $$
declare
    month date := '2025-01-01';
    made int := 0;
begin
    if until > now() + interval '2 years' then
        raise exception 'Partitions are made at most two years ahead.' using errcode = '22023';
    end if;
    perform pg_advisory_xact_lock('readings'::regclass::oid::int, 0);
    while month <= until loop
        if to_regclass(format('public.readings_%s', to_char(month, 'YYYY_MM'))) is null then
            perform make_readings_partition(format('readings_%s', to_char(month, 'YYYY_MM')),
                format('%L', month || ' 00:00:00+00'), format('%L', (month + interval '1 month')::date || ' 00:00:00+00'));
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end
$$;
revoke execute on function make_readings_partitions(date) from public;

select make_readings_partition('readings_before_2015', 'minvalue', '''2015-01-01 00:00:00+00''');
select make_readings_partition(format('readings_%s', year),
    format('%L', year || '-01-01 00:00:00+00'), format('%L', (year + 1) || '-01-01 00:00:00+00'))
from generate_series(2015, 2024) as year;
select make_readings_partitions((now() + interval '4 months')::date);

-- The array is an InitPlan, asked once per statement, and an index condition; "in (select …)" would be neither.
-- Each policy names its role: a second role's policies must never be OR-ed into these.
alter table readings enable row level security, force row level security;
do $$
declare
    app constant name := service_role('app');
    readable constant text := 'series_id = any (array(select a.series_id from series_access a '
        || 'where a.user_id = (select app_user_id()) and a.expires_at > now()))';
    writable constant text := 'series_id = any (array(select a.series_id from series_access a '
        || 'where a.user_id = (select app_user_id()) and a.expires_at > now() and a.access >= 2))';
begin
    execute format('create policy readings_select on readings for select to %I, %I using (%s)', app, service_role('readonly'), readable);
    execute format('create policy readings_insert on readings for insert to %I with check (%s)', app, writable);
    execute format('create policy readings_update on readings for update to %I using (%s) with check (%s)', app, writable, writable);
    execute format('create policy readings_delete on readings for delete to %I using (%s)', app, writable);
    execute format('grant select, insert, update, delete on readings to %I', app);
    execute format('grant select on readings to %I, %I', service_role('backup'), service_role('readonly'));
    execute format('grant execute on function make_readings_partitions(date) to %I', app);
end
$$;
