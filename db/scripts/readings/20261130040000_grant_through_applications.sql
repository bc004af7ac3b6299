-- A grant may name an application: to a person through it alone, or to the application itself, whomever it acts for
-- (docs/decisions/0051-sharing-through-applications.md). The projections stay as they are: what user_id in them names is a
-- reader, which is a person, or a person through an application under an id of its own. A transaction reads as up to
-- three of them, which the policies ask for once per statement as they asked for the person.
create function app_client_id() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.client_id', true), '')::uuid;
-- A hash, so that it is known without looking it up. The application itself is the one who acts through itself: as itself
-- alone, without that, it is a person like others.
create function reader_id(person uuid, client uuid) returns uuid language sql immutable parallel safe
    return case when client is null then person else encode(substring(sha256(uuid_send(person) || uuid_send(client)) for 16), 'hex')::uuid end;
-- Not a single expression, which would be made ready for each statement anew, whether it is asked or not.
create function app_reader_ids() returns uuid[] language plpgsql stable parallel safe as $$
declare
    person constant uuid := public.app_user_id();
    client constant uuid := public.app_client_id();
begin
    if person is null then return '{}'; end if;
    if client is null then return array[person]; end if;
    return array[person, public.reader_id(person, client), public.reader_id(client, client)];
end
$$;

alter table grants
    add column client_id uuid,                            -- only through this application; the grantee too: the application itself
    drop constraint grants_window,                        -- now a window of whatever is opened
    add constraint grants_window check ((from_at is null and until_at is null)
        or (access = 1 and from_at is not distinct from date_trunc('hour', from_at, 'UTC')
            and until_at is not distinct from date_trunc('hour', until_at, 'UTC') and (from_at < until_at) is not false)) not valid;
alter table access_log add column client_id uuid;         -- through which application; null for our own, and for keys
-- Until when it shows the events of its source too: a window of some metrics does not. The windows that are there all do.
alter table series_windows add column events_until timestamptz not null default 'infinity';

-- Every series that a grant opens to somebody at this moment, with as much of it as the grant says.
-- A series is granted as a whole: a metric that shares its row with others (blood pressure) opens them all.
create function granted_series(p_owner uuid, p_source uuid)
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

-- Brings the projections to what the grants of a person say; of one reader or of one source only where given.
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

create or replace function grants_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'UPDATE' and new.state in ('declined', 'revoked') and old.state in ('offered', 'accepted') then
        update public.grants set state = 'revoked', ended_at = now()
        where parent_id = new.grant_id and state in ('offered', 'accepted');
    end if;
    if tg_op <> 'INSERT' and old.state = 'accepted' then
        perform public.refresh_access(old.user_id, public.reader_id(old.grantee_id, old.client_id), null);
    end if;
    if tg_op <> 'DELETE' and new.state = 'accepted' then
        perform public.refresh_access(new.user_id, public.reader_id(new.grantee_id, new.client_id), null);
    end if;
    return null;
end
$$;

-- Nobody grants on more than they have: a grant by somebody else rests upon one of their own that is at least as wide. What
-- they have through one application only, they do not have when they grant.
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

-- As before, and not through an application that has been ended.
create or replace function accept_grant(p_hash bytea, p_grant uuid) returns uuid
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    me constant uuid := public.app_user_id();
    offer public.grants;
begin
    select g.* into offer from public.grants g
    where me is not null and (g.code_hash = p_hash or g.grant_id = p_grant and g.grantee_id = me);
    if offer.grant_id is null then return null; end if;
    perform public.lock_person(me, alone => false);
    perform public.lock_grants(offer.user_id, alone => true);
    select g.* into offer from public.grants g where g.user_id = offer.user_id and g.grant_id = offer.grant_id for update;
    if offer.state = 'accepted' and offer.grantee_id = me then return offer.grant_id; end if;
    if offer.grant_id is null or offer.state <> 'offered' or offer.code_expires_at <= now() or offer.ends_at <= now()
        or me in (offer.user_id, offer.granted_by) or offer.grantee_id <> me
        or offer.parent_id is not null and not exists (select from public.grants p
            where p.grant_id = offer.parent_id and p.state = 'accepted' and p.ends_at > now())
        or exists (select from public.departed_users d where d.user_id in (me, offer.user_id, offer.client_id)) then
        return null;
    end if;
    update public.grants set state = 'accepted', grantee_id = me, accepted_at = now()
    where user_id = offer.user_id and grant_id = offer.grant_id;
    return offer.grant_id;
end
$$;

-- Takes away what a person who leaves has granted, was granted, and did; of an application, what was granted through it.
create or replace function forget_grants() returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    me constant uuid := public.app_user_id();
    owner uuid;
begin
    for owner in select distinct g.user_id from public.grants g where me in (g.user_id, g.grantee_id, g.granted_by, g.client_id) order by 1 loop
        perform public.lock_grants(owner, alone => true);
        delete from public.grants g where g.user_id = owner and me in (g.user_id, g.grantee_id, g.granted_by, g.client_id);
    end loop;
    delete from public.source_access a using public.public_looks l
    where l.user_id = me and a.user_id = me and a.owner_id = l.owner_id and a.source_id = l.source_id;
    delete from public.series_access a using public.series s where a.user_id = me and s.series_id = a.series_id and s.user_id <> me;
    delete from public.public_looks l where l.user_id = me;
    delete from public.access_log l where l.user_id = me or l.actor_id = me;
end
$$;

do $$
declare
    app constant name := service_role('app');
    mine constant text := 'user_id = (select row_owner()) and ((select app_owner_id()) is null';
    -- As whom the transaction reads is said by the policies of the projections, and only there: asked twice, it costs twice.
    of_source constant text := ' or source_id = any (array(select a.source_id from source_access a '
        || 'where a.owner_id = (select app_owner_id()) and a.expires_at > now() and a.access >= %s))';
    readable constant text := 'series_id = any (array(select a.series_id from series_access a where a.expires_at > now()))';
    writable constant text := 'series_id = any (array(select a.series_id from series_access a where a.expires_at > now() and a.access >= 2))';
    windows constant text := 'series_windows w where w.owner_id = (select app_owner_id()) and w.expires_at > now()';
    t text;
    visible text;
begin
    -- The projections themselves: whoever reads as somebody sees their rows. Written they are by triggers alone.
    foreach t in array array['series_access', 'source_access', 'series_windows'] loop
        execute format('alter policy own_rows on %I using (user_id = any ((select app_reader_ids())::uuid[])) with check (user_id = (select app_user_id()))', t);
    end loop;

    execute format('alter policy readings_select on readings using (%s)', readable);
    execute format('alter policy readings_insert on readings with check (%s)', writable);
    execute format('alter policy readings_update on readings using (%s) with check (%1$s)', writable);
    execute format('alter policy readings_delete on readings using (%s)', writable);
    foreach t in array array['readings_hour', 'readings_day'] loop
        execute format('alter policy %I on %I using (%s)', t || '_select', t, readable);
    end loop;

    foreach t in array array['sources', 'metrics', 'series', 'events'] loop
        visible := mine || case t
            when 'sources' then format(of_source, 0)
            when 'events' then format(of_source, 1)
            else format(of_source, 1) || ' or ' || readable
        end || ')';
        execute format('alter policy %I on %I using (%s)', t || '_select', t, visible);
        visible := mine || format(of_source, case t when 'events' then 2 else 3 end) || ')';
        if t <> 'sources' then
            execute format('alter policy %I on %I with check (%s)', t || '_insert', t, visible);
            execute format('alter policy %I on %I using (%s)', t || '_delete', t, visible);
        end if;
        if t <> 'series' then
            execute format('alter policy %I on %I using (%s) with check (%3$s)', t || '_update', t, visible);
        end if;
    end loop;

    execute format('alter policy sources_window on sources using (user_id = (select app_owner_id()) and source_id = any (array(select w.source_id from %s)))', windows);
    foreach t in array array['metrics', 'series'] loop
        execute format('alter policy %I on %I using (user_id = (select app_owner_id()) and series_id = any (array(select w.series_id from %s)))', t || '_window', t, windows);
    end loop;
    execute format('alter policy events_window on events using (user_id = (select app_owner_id()) and exists (select from %s and w.events_until > now() '
                || 'and w.source_id = events.source_id and events.started_at >= w.from_at and events.ended_at <= w.until_at))', windows);
    execute format('alter policy readings_window on readings using (exists (select from %s '
                || 'and w.series_id = readings.series_id and readings.at >= w.from_at and readings.at < w.until_at))', windows);
    execute format('alter policy readings_hour_window on readings_hour using (exists (select from %s '
                || 'and w.series_id = readings_hour.series_id and readings_hour.bucket >= w.from_at and readings_hour.bucket < w.until_at))', windows);

    execute format('grant select (client_id) on grants to %I', app);
end
$$;
revoke execute on function granted_series(uuid, uuid) from public;
