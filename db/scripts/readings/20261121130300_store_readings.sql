-- The two ways in which readings are written: store_readings and delete_readings. Both run as the person (security
-- invoker), so row-level security decides; both take the series' lock first, so that writers of one series queue up: the
-- look for readings that are there already is then exact, there is no unique violation and no deadlock (callers take series
-- in ascending order), and a rollup is never counted while somebody adds to it.

-- The lock, for whoever changes metrics or erases whole series. Given in ascending order.
create function lock_series(p_series int[]) returns void language plpgsql as $$
declare
    one int;
begin
    foreach one in array p_series loop
        perform pg_advisory_xact_lock('readings'::regclass::oid::int, one);
    end loop;
end
$$;

-- p_version is the version of the source that the caller knows: a list of metrics that has changed since is refused,
-- and the caller looks again. Asked after the lock is held, because whoever changes metrics takes the same lock.
create function enter_series(p_series int, p_source uuid, p_version int) returns uuid language plpgsql as $$
declare
    owner uuid;
begin
    perform pg_advisory_xact_lock('readings'::regclass::oid::int, p_series);
    select s.user_id into owner from sources s where s.source_id = p_source and s.version = p_version;
    if owner is null then
        raise exception 'The source has changed.' using errcode = 'P0409', constraint = 'source_version';
    end if;
    return owner;
end
$$;

-- Stores readings of one series, in ascending order of time and without a time twice. A reading that is there already
-- is replaced where the new one says something else, and kept where it says nothing (null). Announces what it changed.
-- existed and changed: the times that were there already, and those of them that were replaced; existed is null where it
-- was all or none.
--
-- One plan for all executions: a new one would look through the partitions each time and find the same index. No nested
-- loops: a generic plan guesses that an array holds ten rows, and a thousand rows against a thousand are a million looks.
create function store_readings(
    p_series int, p_source uuid, p_version int, p_at timestamptz[], p_offset int2, p_offsets int2[],
    p_value float8[], p_value2 float8[], p_value3 float8[],
    p_event uuid, p_metrics text[], p_type text, p_traceparent text,
    out stored int, out replaced int, out existed timestamptz[], out changed timestamptz[])
language plpgsql set plan_cache_mode = force_generic_plan set enable_nestloop = off as $$
declare
    given constant int := cardinality(p_at);
    first timestamptz := p_at[1];
    last timestamptz := p_at[cardinality(p_at)];
    owner constant uuid := enter_series(p_series, p_source, p_version);
begin
    stored := 0;
    replaced := 0;
    if given = 1 then
        -- The index alone says whether the reading is there, in the one partition that it belongs to.
        insert into readings (at, value, value2, value3, series_id, utc_offset)
        values (first, p_value[1], p_value2[1], p_value3[1], p_series, coalesce(p_offsets[1], p_offset))
        on conflict do nothing;
        get diagnostics stored = row_count;
    else
        perform from readings r where r.series_id = p_series and r.at between first and last limit 1;
        if not found then
            insert into readings (at, value, value2, value3, series_id, utc_offset)
            select x.at, x.value, x.value2, x.value3, p_series, coalesce(x.utc_offset, p_offset)
            from unnest(p_at, p_value, p_value2, p_value3, p_offsets) as x(at, value, value2, value3, utc_offset);
            stored := given;
        end if;
    end if;

    if stored < given then
        -- A few readings spread over years: one look for each of them, and not one at all that lies between.
        if last - first > given * interval '5 minutes' and 4 * given < (
                select sum(d.n) from readings_day d
                where d.series_id = p_series and d.slot between 1 and 3 and d.bucket between day_of(first) and last) then
            select array_agg(r.at), array_agg(r.at) filter (where r.differs) into existed, changed
            from unnest(p_at, p_value, p_value2, p_value3, p_offsets) as x(at, value, value2, value3, utc_offset)
            cross join lateral (
                select r.at, (coalesce(x.value, r.value), coalesce(x.value2, r.value2), coalesce(x.value3, r.value3),
                    coalesce(x.utc_offset, p_offset)) is distinct from (r.value, r.value2, r.value3, r.utc_offset) as differs
                from readings r
                where r.series_id = p_series and r.at = x.at and r.at between first and last
                offset 0) as r;
        else
            with there as materialized (
                select r.at, r.value, r.value2, r.value3, r.utc_offset
                from readings r where r.series_id = p_series and r.at between first and last)
            select array_agg(r.at), array_agg(r.at) filter (where
                (coalesce(x.value, r.value), coalesce(x.value2, r.value2), coalesce(x.value3, r.value3),
                coalesce(x.utc_offset, p_offset)) is distinct from (r.value, r.value2, r.value3, r.utc_offset))
            into existed, changed
            from unnest(p_at, p_value, p_value2, p_value3, p_offsets) as x(at, value, value2, value3, utc_offset)
            join there r on r.at = x.at;
        end if;

        if existed is null or cardinality(existed) < given then
            insert into readings (at, value, value2, value3, series_id, utc_offset)
            select x.at, x.value, x.value2, x.value3, p_series, coalesce(x.utc_offset, p_offset)
            from unnest(p_at, p_value, p_value2, p_value3, p_offsets) as x(at, value, value2, value3, utc_offset)
            where not exists (select from unnest(existed) as e(at) where e.at = x.at);
            get diagnostics stored = row_count;
        end if;

        if changed is not null then
            update readings r
            set value = coalesce(x.value, r.value), value2 = coalesce(x.value2, r.value2),
                value3 = coalesce(x.value3, r.value3), utc_offset = coalesce(x.utc_offset, p_offset)
            from unnest(p_at, p_value, p_value2, p_value3, p_offsets) as x(at, value, value2, value3, utc_offset)
            join unnest(changed) as c(at) using (at)
            where r.series_id = p_series and r.at = x.at and r.at between first and last;
            get diagnostics replaced = row_count;
        end if;

        if stored = 0 then existed := null; end if;       -- all of them: said by the count already
        if stored + replaced = 0 then return; end if;
        select min(g.at), max(g.at) into first, last from (
            select a.at from unnest(p_at) as a(at)
            where stored > 0 and not exists (select from unnest(existed) as e(at) where e.at = a.at)
            union all
            select c.at from unnest(changed) as c(at)) as g;
    end if;

    insert into outbox (id, event_type, subject, data, traceparent)
    values (p_event, 'readings.recorded.v1', p_source || '/' || p_metrics[1], jsonb_build_object(
        'user_id', owner, 'source_id', p_source, 'metric', p_metrics[1], 'metrics', p_metrics, 'series_type', p_type,
        'from', first, 'to', last, 'count', stored + replaced), p_traceparent);
end
$$;

-- Takes the given slots away from the readings of a series in a range of time (null: from the beginning, to the end), and
-- the whole reading where nothing is left of it. Returns how many readings lost something.
create function delete_readings(
    p_series int, p_source uuid, p_version int, p_slots int2[], p_from timestamptz, p_until timestamptz) returns int
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    lower constant timestamptz := coalesce(p_from, '-infinity');
    upper constant timestamptz := coalesce(p_until, 'infinity');
    deleted int;
    emptied int;
begin
    perform enter_series(p_series, p_source, p_version);
    delete from readings r
    where r.series_id = p_series and r.at >= lower and r.at < upper
        and (1 = any (p_slots) or r.value is null) and (2 = any (p_slots) or r.value2 is null)
        and (3 = any (p_slots) or r.value3 is null);
    get diagnostics deleted = row_count;

    update readings r
    set value = case when 1 = any (p_slots) then null else value end,
        value2 = case when 2 = any (p_slots) then null else value2 end,
        value3 = case when 3 = any (p_slots) then null else value3 end
    where r.series_id = p_series and r.at >= lower and r.at < upper
        and (1 = any (p_slots) and r.value is not null or 2 = any (p_slots) and r.value2 is not null
            or 3 = any (p_slots) and r.value3 is not null);
    get diagnostics emptied = row_count;
    return deleted + emptied;
end
$$;
