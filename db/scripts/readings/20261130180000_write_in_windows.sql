-- migrate: allow ban-drop-column only a policy read it, and that is altered above
-- A window may be for writing, too, and for granting on, and a guest has what is open to them for good besides
-- (docs/decisions/0054-writing-in-windows.md). Until when a window is open for writing stands beside until when it is open: of the same
-- window one grant may be for reading, another for more. What is open of a whole source has a row of its own, for its events.
create table source_windows (
    user_id uuid not null,
    owner_id uuid not null,
    source_id uuid not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    expires_at timestamptz not null,
    writable_until timestamptz not null default '-infinity',
    primary key (user_id, owner_id, source_id, from_at, until_at)
    -- No foreign key: as in source_access.
);
create index source_windows_by_source on source_windows (owner_id, source_id);
call own_rows('source_windows');
alter policy own_rows on source_windows using (user_id = any ((select app_reader_ids())::uuid[])) with check (user_id = (select app_user_id()));

-- Every window of a whole source that is open to somebody at this moment.
create function granted_source_windows(p_owner uuid)
    returns table (user_id uuid, source_id uuid, from_at timestamptz, until_at timestamptz, expires_at timestamptz, writable_until timestamptz)
language sql stable as $$
    select public.reader_id(g.grantee_id, g.client_id), s.source_id, coalesce(g.from_at, '-infinity'), coalesce(g.until_at, 'infinity'),
        max(g.ends_at), coalesce(max(g.ends_at) filter (where g.access >= 2), '-infinity')
    from public.grants g
    join public.sources s on s.user_id = g.user_id and (g.opens = 'everything' or s.source_id = g.source_id)
    where g.user_id = p_owner and g.state = 'accepted' and g.ends_at > now() and g.opens in ('everything', 'source')
        and (g.from_at is not null or g.until_at is not null)
    group by 1, 2, 3, 4
$$;

-- Nobody grants meanwhile, nor makes a source.
lock table grants, sources in share row exclusive mode;
delete from series_windows where from_at = '-infinity' and until_at = 'infinity';
insert into source_windows (user_id, owner_id, source_id, from_at, until_at, expires_at)
select w.user_id, o.user_id, w.source_id, w.from_at, w.until_at, w.expires_at
from (select distinct user_id from grants where state = 'accepted' and (from_at is not null or until_at is not null)) as o
cross join lateral granted_source_windows(o.user_id) as w;

alter policy events_window on events using (user_id = (select app_owner_id()) and (
    exists (select from source_windows w where w.owner_id = (select app_owner_id()) and w.expires_at > now() and w.source_id = events.source_id
        and events.started_at >= w.from_at and events.started_at < w.until_at and events.ended_at <= w.until_at)
    or source_id = any (array(select a.source_id from source_access a where a.owner_id = (select app_owner_id()) and a.expires_at > now() and a.access >= 1))));
alter table series_windows
    drop column events_until,
    add column writable_until timestamptz not null default '-infinity';
alter table grants
    drop constraint grants_window,
    add constraint grants_window check (
        from_at is not distinct from date_trunc('hour', from_at, 'UTC')
        and until_at is not distinct from date_trunc('hour', until_at, 'UTC') and (from_at < until_at) is not false) not valid;

-- As before, and windows with until when they are open for writing; what is open for good is no window any more.
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

    with wanted as materialized (
        select g.reader_id as user_id, g.source_id, g.series_id, coalesce(g.from_at, '-infinity') as from_at, coalesce(g.until_at, 'infinity') as until_at,
            max(g.ends_at) as expires_at, coalesce(max(g.ends_at) filter (where g.access >= 2), '-infinity') as writable_until
        from public.granted_series(p_owner, p_source) g
        where (g.from_at is not null or g.until_at is not null) and (p_grantee is null or g.reader_id = p_grantee)
        group by g.reader_id, g.source_id, g.series_id, 4, 5
    ), gone as (
        delete from public.series_windows a
        where a.owner_id = p_owner and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or a.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.series_id = a.series_id
                and w.from_at = a.from_at and w.until_at = a.until_at)
    )
    insert into public.series_windows as a (user_id, owner_id, source_id, series_id, from_at, until_at, expires_at, writable_until)
    select w.user_id, p_owner, w.source_id, w.series_id, w.from_at, w.until_at, w.expires_at, w.writable_until from wanted w
    on conflict (user_id, series_id, from_at, until_at) do update set expires_at = excluded.expires_at, writable_until = excluded.writable_until
        where (a.expires_at, a.writable_until) <> (excluded.expires_at, excluded.writable_until);

    with wanted as materialized (
        select w.user_id, w.source_id, w.from_at, w.until_at, w.expires_at, w.writable_until
        from public.granted_source_windows(p_owner) w
        where (p_grantee is null or w.user_id = p_grantee) and (p_source is null or w.source_id = p_source)
    ), gone as (
        delete from public.source_windows a
        where a.owner_id = p_owner and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or a.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.source_id = a.source_id
                and w.from_at = a.from_at and w.until_at = a.until_at)
    )
    insert into public.source_windows as a (user_id, owner_id, source_id, from_at, until_at, expires_at, writable_until)
    select w.user_id, p_owner, w.source_id, w.from_at, w.until_at, w.expires_at, w.writable_until from wanted w
    on conflict (user_id, owner_id, source_id, from_at, until_at) do update set expires_at = excluded.expires_at, writable_until = excluded.writable_until
        where (a.expires_at, a.writable_until) <> (excluded.expires_at, excluded.writable_until);
end
$$;

-- As before, and a window only within the window that it rests upon.
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
        and coalesce(g.from_at, '-infinity') <= coalesce(new.from_at, '-infinity')
        and coalesce(g.until_at, 'infinity') >= coalesce(new.until_at, 'infinity')
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

-- A source that comes later is open at once to whoever has everything, or everything of a window.
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
    insert into public.source_windows (user_id, owner_id, source_id, from_at, until_at, expires_at, writable_until)
    select w.user_id, new.user_id, w.source_id, w.from_at, w.until_at, w.expires_at, w.writable_until
    from public.granted_source_windows(new.user_id) w
    where w.source_id = new.source_id;
    return null;
end
$$;

create or replace function source_leaves() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(old.user_id, alone => true);
    delete from public.source_access where owner_id = old.user_id and source_id = old.source_id;
    delete from public.source_windows where owner_id = old.user_id and source_id = old.source_id;
    delete from public.public_looks where owner_id = old.user_id and source_id = old.source_id;
    return old;
end
$$;

-- As before, and of a window of a source that has no metric.
create or replace function note_access(p_entry uuid, p_owner uuid, p_source uuid, p_verb text, p_count int) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    this_hour constant timestamptz := date_bin('1 hour', now(), timestamptz '2000-01-01 00:00:00+00');
begin
    if not exists (select from public.series_windows w
            where w.user_id = any (public.app_reader_ids()) and w.owner_id = p_owner and w.source_id = p_source and w.expires_at > now())
        and not exists (select from public.source_windows w
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

do $$
declare
    guest constant name := service_role('guest');
    windows constant text := 'where w.owner_id = (select app_owner_id()) and w.expires_at > now()';
    -- What is open for good, as the app asks for it.
    of_source constant text := 'source_id = any (array(select a.source_id from source_access a '
        || 'where a.owner_id = (select app_owner_id()) and a.expires_at > now() and a.access >= %s))';
    of_series constant text := 'series_id = any (array(select a.series_id from series_access a where a.expires_at > now() and a.access >= %s))';
    of_reading constant text := 'exists (select from series_windows w ' || windows || ' and w.writable_until > now() '
        || 'and w.series_id = readings.series_id and readings.at >= w.from_at and readings.at < w.until_at) or ' || format(of_series, 2);
    of_event constant text := 'user_id = (select app_owner_id()) and (exists (select from source_windows w ' || windows || ' and w.writable_until > now() '
        || 'and w.source_id = events.source_id and events.started_at >= w.from_at and events.started_at < w.until_at and events.ended_at <= w.until_at) or '
        || format(of_source, 2) || ')';
    t text;
    writable text;
begin
    execute format('alter policy sources_window on sources using (user_id = (select app_owner_id()) '
                || 'and (source_id = any (array(select w.source_id from series_windows w %1$s)) '
                || 'or source_id = any (array(select w.source_id from source_windows w %1$s)) or %2$s))', windows, format(of_source, 0));
    foreach t in array array['metrics', 'series'] loop
        execute format('alter policy %I on %I using (user_id = (select app_owner_id()) '
                    || 'and (series_id = any (array(select w.series_id from series_windows w %s)) or %s or %s))',
                    t || '_window', t, windows, format(of_source, 1), format(of_series, 0));
    end loop;
    execute format('alter policy readings_window on readings using (exists (select from series_windows w %s '
                || 'and w.series_id = readings.series_id and readings.at >= w.from_at and readings.at < w.until_at) or %s)', windows, format(of_series, 0));
    execute format('alter policy readings_hour_window on readings_hour using (exists (select from series_windows w %s '
                || 'and w.series_id = readings_hour.series_id and readings_hour.bucket >= w.from_at and readings_hour.bucket < w.until_at) or %s)',
                windows, format(of_series, 0));
    -- Days reach out of a window. Those of what is open for good are there, for store_readings to count with.
    execute format('create policy readings_day_window on readings_day for select to %I using (%s)', guest, format(of_series, 0));

    foreach t in array array['readings', 'events'] loop
        writable := case t when 'readings' then of_reading else of_event end;
        execute format('create policy %I on %I for insert to %I with check (%s)', t || '_window_insert', t, guest, writable);
        execute format('create policy %I on %I for update to %I using (%s) with check (%4$s)', t || '_window_update', t, guest, writable);
        execute format('create policy %I on %I for delete to %I using (%s)', t || '_window_delete', t, guest, writable);
    end loop;
end
$$;
do $$
declare
    guest constant name := service_role('guest');
begin
    execute format('revoke insert, update, delete on source_windows from %I', service_role('app'));
    execute format('grant select on source_access, source_windows, readings_day to %I', guest);
    execute format('grant insert, update, delete on readings, events to %I', guest);
    execute format('grant insert on outbox to %I', guest);
end
$$;
revoke execute on function granted_source_windows(uuid) from public;
