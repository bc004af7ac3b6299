-- What is lost: who wrote each value of somebody else's. The access log still says it by source and hour.
create or replace function store_readings(
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
                select coalesce(sum(d.n), 2147483648) from readings_day d
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
    values (p_event, 'readings.recorded.v1', p_source || '/' || p_metrics[1], json_build_object(
        'user_id', owner, 'source_id', p_source, 'metric', p_metrics[1], 'metrics', p_metrics, 'series_type', p_type,
        'from', first, 'to', last, 'count', stored + replaced,
        'written_by', case when app_owner_id() is not null then app_user_id() end), p_traceparent);
end
$$;

alter table readings drop column written_by;
