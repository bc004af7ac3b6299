-- What is lost: grants of a window for writing or granting on are revoked, with what rests upon them, and then say that they were for reading.
-- What was written stays.
update grants set state = 'revoked', ended_at = now()
where state in ('offered', 'accepted') and access > 1 and (from_at is not null or until_at is not null);
do $$
declare
    guest constant name := service_role('guest');
    t text;
begin
    foreach t in array array['readings', 'events'] loop
        execute format('drop policy %I on %I', t || '_window_insert', t);
        execute format('drop policy %I on %I', t || '_window_update', t);
        execute format('drop policy %I on %I', t || '_window_delete', t);
        execute format('revoke insert, update, delete on %I from %I', t, guest);
    end loop;
    execute format('revoke insert on outbox from %I', guest);
    execute format('revoke select on readings_day from %I', guest);
end
$$;

create or replace function granted_series(p_owner uuid, p_source uuid)
    returns table (reader_id uuid, source_id uuid, series_id int4, access int2, is_whole boolean, from_at timestamptz, until_at timestamptz, ends_at timestamptz)
language sql stable as $$
    select public.reader_id(g.grantee_id, g.client_id), s.source_id, s.series_id, g.access, g.opens in ('everything', 'source'), g.from_at, g.until_at, g.ends_at
    from public.grants g
    join public.series s on s.user_id = g.user_id
    where g.user_id = p_owner and g.state = 'accepted' and g.ends_at > now() and (p_source is null or s.source_id = p_source)
        and case g.opens
            when 'everything' then true
            when 'source' then s.source_id = g.source_id
            -- Only what its own source says of a series counts: a metric of another one may claim to be stored there.
            when 'metric' then s.source_id = g.source_id and exists (select from public.metrics m
                where m.series_id = s.series_id and m.user_id = s.user_id and m.source_id = s.source_id and m.metric = g.metric)
            else exists (select from public.metrics m join public.series_types t on t.code = m.type_code
                where m.series_id = s.series_id and m.user_id = s.user_id and m.source_id = s.source_id and t.category = g.category)
        end
$$;

create or replace function refresh_access(p_owner uuid, p_grantee uuid, p_source uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(p_owner, alone => p_source is null);
    with wanted as materialized (
        select w.user_id, w.series_id, w.access, max(w.expires_at) as expires_at
        from (
            select g.reader_id as user_id, g.series_id, g.access, g.ends_at as expires_at
            from public.granted_series(p_owner, p_source) g
            where g.from_at is null and g.until_at is null and (p_grantee is null or g.reader_id = p_grantee)
            union all
            select p.user_id, s.series_id, 1, p.expires_at
            from public.public_looks p
            join public.series s on s.user_id = p.owner_id and s.source_id = p.source_id
            where p.owner_id = p_owner and p.expires_at > now()
                and (p_grantee is null or p.user_id = p_grantee) and (p_source is null or p.source_id = p_source)) as w
        group by w.user_id, w.series_id, w.access
    ), gone as (
        delete from public.series_access a using public.series s
        where s.user_id = p_owner and a.series_id = s.series_id and a.user_id <> p_owner
            and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or s.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.series_id = a.series_id and w.access = a.access)
    )
    insert into public.series_access as a (user_id, series_id, access, expires_at)
    select w.user_id, w.series_id, w.access, w.expires_at from wanted w
    on conflict (user_id, series_id, access) do update set expires_at = excluded.expires_at
        where a.expires_at <> excluded.expires_at;

    with wanted as materialized (
        select w.user_id, w.source_id, w.access, max(w.expires_at) as expires_at
        from (
            select public.reader_id(g.grantee_id, g.client_id) as user_id, s.source_id, g.access, g.ends_at as expires_at
            from public.grants g
            join public.sources s on s.user_id = g.user_id and (g.opens = 'everything' or s.source_id = g.source_id)
            where g.user_id = p_owner and g.state = 'accepted' and g.ends_at > now() and g.opens in ('everything', 'source')
                and g.from_at is null and g.until_at is null
            union all
            select p.user_id, p.source_id, 1, p.expires_at
            from public.public_looks p
            where p.owner_id = p_owner and p.expires_at > now()
            union all
            select a.user_id, s.source_id, 0, a.expires_at
            from public.series s
            join public.series_access a on a.series_id = s.series_id and a.user_id <> s.user_id
            where s.user_id = p_owner) as w
        where (p_grantee is null or w.user_id = p_grantee) and (p_source is null or w.source_id = p_source)
        group by w.user_id, w.source_id, w.access
    ), gone as (
        delete from public.source_access a
        where a.owner_id = p_owner and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or a.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.source_id = a.source_id and w.access = a.access)
    )
    insert into public.source_access as a (user_id, owner_id, source_id, access, expires_at)
    select w.user_id, p_owner, w.source_id, w.access, w.expires_at from wanted w
    on conflict (user_id, owner_id, source_id, access) do update set expires_at = excluded.expires_at
        where a.expires_at <> excluded.expires_at;

    -- What is open of the same source without a window too: who looks through a window sees nothing beside it.
    with opened as materialized (
        select g.* from public.granted_series(p_owner, p_source) g where p_grantee is null or g.reader_id = p_grantee
    ), wanted as materialized (
        select g.reader_id as user_id, g.source_id, g.series_id, coalesce(g.from_at, '-infinity') as from_at, coalesce(g.until_at, 'infinity') as until_at,
            max(g.ends_at) as expires_at, coalesce(max(g.ends_at) filter (where g.is_whole), '-infinity') as events_until
        from opened g
        where exists (select from opened w where w.reader_id = g.reader_id and w.source_id = g.source_id and (w.from_at is not null or w.until_at is not null))
        group by g.reader_id, g.source_id, g.series_id, 4, 5
    ), gone as (
        delete from public.series_windows a
        where a.owner_id = p_owner and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or a.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.series_id = a.series_id
                and w.from_at = a.from_at and w.until_at = a.until_at)
    )
    insert into public.series_windows as a (user_id, owner_id, source_id, series_id, from_at, until_at, expires_at, events_until)
    select w.user_id, p_owner, w.source_id, w.series_id, w.from_at, w.until_at, w.expires_at, w.events_until from wanted w
    on conflict (user_id, series_id, from_at, until_at) do update set expires_at = excluded.expires_at, events_until = excluded.events_until
        where (a.expires_at, a.events_until) <> (excluded.expires_at, excluded.events_until);
end
$$;

create or replace function check_grant() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if new.granted_by = new.user_id then
        new.parent_id := null;
        return new;
    end if;
    select g.grant_id into new.parent_id
    from public.grants g
    where g.user_id = new.user_id and g.grantee_id = new.granted_by and g.client_id is null and g.state = 'accepted' and g.access = 3
        and g.ends_at > now() and g.ends_at >= new.ends_at
        and (g.opens = 'everything'
            or g.opens = 'source' and new.opens in ('source', 'metric') and new.source_id = g.source_id
            or g.opens = 'category' and new.opens = 'category' and new.category = g.category
            or g.opens = 'metric' and new.opens = 'metric' and new.source_id = g.source_id and new.metric = g.metric)
    order by g.ends_at desc
    limit 1
    for share;                                            -- whoever revokes it meanwhile finds this grant and ends it too
    if new.parent_id is null then
        raise exception 'Nobody can grant on more than they have.' using errcode = '42501', constraint = 'grant_exceeds';
    end if;
    return new;
end
$$;

update grants set access = 1 where access > 1 and (from_at is not null or until_at is not null);
alter table grants drop constraint grants_window,
    add constraint grants_window check ((from_at is null and until_at is null)
        or (access = 1 and from_at is not distinct from date_trunc('hour', from_at, 'UTC')
            and until_at is not distinct from date_trunc('hour', until_at, 'UTC') and (from_at < until_at) is not false));
alter table series_windows drop column writable_until, drop column events_writable_until;
