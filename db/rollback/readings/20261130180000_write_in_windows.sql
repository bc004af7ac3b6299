-- What is lost: grants of a window for writing or granting on are revoked, with what rests upon them, and then say that they were for reading.
-- What was written stays.
update grants set state = 'revoked', ended_at = now()
where state in ('offered', 'accepted') and access > 1 and (from_at is not null or until_at is not null);
do $$
declare
    guest constant name := service_role('guest');
    windows constant text := 'series_windows w where w.owner_id = (select app_owner_id()) and w.expires_at > now()';
    t text;
begin
    foreach t in array array['readings', 'events'] loop
        execute format('drop policy %I on %I', t || '_window_insert', t);
        execute format('drop policy %I on %I', t || '_window_update', t);
        execute format('drop policy %I on %I', t || '_window_delete', t);
    end loop;
    drop policy readings_day_window on readings_day;
    execute format('alter policy sources_window on sources using (user_id = (select app_owner_id()) and source_id = any (array(select w.source_id from %s)))', windows);
    foreach t in array array['metrics', 'series'] loop
        execute format('alter policy %I on %I using (user_id = (select app_owner_id()) and series_id = any (array(select w.series_id from %s)))', t || '_window', t, windows);
    end loop;
    execute format('alter policy readings_window on readings using (exists (select from %s '
                || 'and w.series_id = readings.series_id and readings.at >= w.from_at and readings.at < w.until_at))', windows);
    execute format('alter policy readings_hour_window on readings_hour using (exists (select from %s '
                || 'and w.series_id = readings_hour.series_id and readings_hour.bucket >= w.from_at and readings_hour.bucket < w.until_at))', windows);
    execute format('revoke insert, update, delete on readings, events from %I', guest);
    execute format('revoke insert on outbox from %I', guest);
    execute format('revoke select on source_access, readings_day from %I', guest);
end
$$;
alter table series_windows drop column writable_until, add column events_until timestamptz not null default 'infinity';
alter policy events_window on events using (user_id = (select app_owner_id()) and exists (
    select from series_windows w where w.owner_id = (select app_owner_id()) and w.expires_at > now() and w.events_until > now()
        and w.source_id = events.source_id and events.started_at >= w.from_at and events.ended_at <= w.until_at));

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

create or replace function source_added() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(new.user_id, alone => false);
    insert into public.source_access (user_id, owner_id, source_id, access, expires_at)
    select public.reader_id(g.grantee_id, g.client_id), new.user_id, new.source_id, g.access, max(g.ends_at)
    from public.grants g
    where g.user_id = new.user_id and g.state = 'accepted' and g.opens = 'everything' and g.ends_at > now()
        and g.from_at is null and g.until_at is null
    group by 1, g.access;
    return null;
end
$$;

create or replace function source_leaves() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(old.user_id, alone => true);
    delete from public.source_access where owner_id = old.user_id and source_id = old.source_id;
    delete from public.public_looks where owner_id = old.user_id and source_id = old.source_id;
    return old;
end
$$;

create or replace function note_access(p_entry uuid, p_owner uuid, p_source uuid, p_verb text, p_count int) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    this_hour constant timestamptz := date_bin('1 hour', now(), timestamptz '2000-01-01 00:00:00+00');
begin
    if not exists (select from public.series_windows w
            where w.user_id = any (public.app_reader_ids()) and w.owner_id = p_owner and w.source_id = p_source and w.expires_at > now())
        and not exists (select from public.source_access a
            where a.user_id = any (public.app_reader_ids()) and a.owner_id = p_owner and (p_source is null or a.source_id = p_source) and a.expires_at > now())
        or p_verb = 'read' and exists (select from public.sources s where s.user_id = p_owner and s.source_id = p_source and s.is_public)
    then
        return;
    end if;
    if p_verb = 'write' then
        -- Ids begin with their time. Two first writes at the same moment are two lines, and both are true.
        update public.access_log l set count = least(l.count::bigint + p_count, 2147483647), at = now()
        where l.user_id = p_owner and l.entry_id = (
            select w.entry_id from public.access_log w
            where w.user_id = p_owner and w.hour = this_hour and w.verb = 'write' and w.actor_id = public.app_user_id()
                and w.source_id is not distinct from p_source and w.client_id is not distinct from public.app_client_id()
                and w.entry_id >= (lpad(to_hex((extract(epoch from this_hour) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
            order by w.entry_id desc limit 1);
        if found then return; end if;
    end if;
    insert into public.access_log as l (user_id, entry_id, actor_id, client_id, source_id, verb, count)
    values (p_owner, p_entry, public.app_user_id(), public.app_client_id(), p_source, p_verb, p_count)
    on conflict (user_id, actor_id, hour, source_id, client_id) where verb = 'read' do update set count = l.count + 1, at = now();
end
$$;

drop function granted_source_windows(uuid);
drop table source_windows;
update grants set access = 1 where access > 1 and (from_at is not null or until_at is not null);
alter table grants drop constraint grants_window,
    add constraint grants_window check ((from_at is null and until_at is null)
        or (access = 1 and from_at is not distinct from date_trunc('hour', from_at, 'UTC')
            and until_at is not distinct from date_trunc('hour', until_at, 'UTC') and (from_at < until_at) is not false));
-- What is open of a source with a window is written out again as it was.
select refresh_access(o.owner_id, null, null) from (select distinct owner_id from series_windows order by owner_id) as o;
