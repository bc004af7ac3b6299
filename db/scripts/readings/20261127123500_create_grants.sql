-- Sharing. A grant opens something of a person's to somebody else: offered with a code, accepted by whoever presents it,
-- ended at any time. What is open is kept beside it, in the form in which the policies ask for it: series_access for
-- readings, source_access for what stands around them. Only triggers write either, in the transaction that grants or
-- revokes, so that a revoked grant opens nothing once that has committed (docs/decisions/0043-sharing-by-projection.md).
--
-- Nobody sees another person's rows beside their own: a transaction asks for the rows of one person, its own unless
-- app.owner_id names another. So a statement that was written for one's own rows cannot meet somebody else's by accident.
create function app_owner_id() returns uuid language sql stable parallel safe
    return nullif(nullif(current_setting('app.owner_id', true), '')::uuid, nullif(current_setting('app.user_id', true), '')::uuid);
create function row_owner() returns uuid language sql stable parallel safe
    return coalesce(nullif(current_setting('app.owner_id', true), ''), nullif(current_setting('app.user_id', true), ''))::uuid;

create table grants (
    user_id uuid not null default row_owner(),            -- whose rows it opens
    grant_id uuid not null,
    granted_by uuid not null default app_user_id(),       -- the person themselves, or an admin of what is granted on
    parent_id uuid,                                       -- by which grant they may: it takes this one with it
    grantee_id uuid,                                      -- null until somebody has accepted, unless the offer names them
    opens text not null check (opens in ('everything', 'category', 'source', 'metric')),
    category text check (char_length(category) between 1 and 64),
    source_id uuid,
    metric text check (char_length(metric) between 1 and 64),
    from_at timestamptz,                                  -- only this window of the time axis, in whole hours: rollups are
    until_at timestamptz,                                 -- either inside of it or not shown
    access smallint not null check (access between 1 and 3),          -- 1 read, 2 write, 3 admin
    ends_at timestamptz not null default 'infinity',
    label text check (char_length(label) between 1 and 100),          -- by which the person knows the offer again
    state text not null default 'offered' check (state in ('offered', 'accepted', 'declined', 'revoked')),
    code_hash bytea check (length(code_hash) = 32),       -- SHA-256: 256 random bits need no slow hash
    code_expires_at timestamptz not null default now() + interval '7 days',
    created_at timestamptz not null default now(),
    accepted_at timestamptz,
    ended_at timestamptz,
    primary key (user_id, grant_id),
    constraint grants_grant_id_key unique (grant_id),
    constraint grants_code_hash_key unique (code_hash),
    constraint grants_open_one_kind check (
        (category is not null) = (opens = 'category') and (source_id is not null) = (opens in ('source', 'metric'))
        and (metric is not null) = (opens = 'metric')),
    constraint grants_window check ((from_at is null and until_at is null)
        or (access = 1 and opens in ('everything', 'source') and from_at is not distinct from date_trunc('hour', from_at, 'UTC')
            and until_at is not distinct from date_trunc('hour', until_at, 'UTC') and (from_at < until_at) is not false)),
    constraint grants_accepted_by_somebody check (state <> 'accepted' or (grantee_id is not null and grantee_id <> user_id)),
    foreign key (user_id, source_id) references sources on delete cascade,
    foreign key (parent_id) references grants (grant_id) on delete cascade
);
create index grants_by_grantee on grants (grantee_id);
create index grants_by_granter on grants (granted_by);
create index grants_by_source on grants (user_id, source_id);
create index grants_by_parent on grants (parent_id);

create trigger a_hold_person before insert on grants for each row execute function hold_person();
create trigger refuse_departed_user before insert on grants for each row execute function refuse_departed_user();

-- Which sources of another person somebody may see: access 0 where only some of its metrics are granted. One row for each
-- access, because the strongest need not be the one that lasts longest.
create table source_access (
    user_id uuid not null,
    owner_id uuid not null,
    source_id uuid not null,
    access smallint not null check (access between 0 and 3),
    expires_at timestamptz not null,
    primary key (user_id, owner_id, source_id, access)
    -- No foreign key: accepting would wait for whoever holds the row of the source, and they for the lock below.
);
create index source_access_by_source on source_access (owner_id, source_id);
call own_rows('source_access');

-- Which series somebody may see a part of. Not for the policies above all others: a window is asked for each row, so the app
-- becomes a guest for it.
create table series_windows (
    user_id uuid not null,
    owner_id uuid not null,
    source_id uuid not null,
    series_id int4 not null references series on delete cascade,
    from_at timestamptz not null,
    until_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (user_id, series_id, from_at, until_at)
);
create index series_windows_by_series on series_windows (series_id);
call own_rows('series_windows');

-- Who is looking at a public source of another person, until when: anybody who is signed in and addresses it. It is opened
-- to them for an hour as if it had been granted, so that what is public costs nobody else a thought, and closed with the
-- source.
create table public_looks (
    user_id uuid not null,
    owner_id uuid not null,
    source_id uuid not null,
    expires_at timestamptz not null,
    primary key (user_id, owner_id, source_id)
);
create index public_looks_by_source on public_looks (owner_id, source_id);
call own_rows('public_looks');

-- The same for series.
alter table series_access drop constraint series_access_pkey,
    add constraint series_access_pkey primary key using index series_access_by_level;

-- Whoever grants, revokes or deletes a source holds this lock alone, whoever changes metrics holds it shared: what one of
-- them has not committed yet, the other one waits for.
create function lock_grants(person uuid, alone boolean) returns void language plpgsql as $$
begin
    if alone then
        perform pg_advisory_xact_lock('grants'::regclass::oid::int, hashtext(person::text));
    else
        perform pg_advisory_xact_lock_shared('grants'::regclass::oid::int, hashtext(person::text));
    end if;
end
$$;

-- Brings the two projections to what the grants of a person say; of one grantee or of one source only where given.
-- A series is granted as a whole: a metric that shares its row with others (blood pressure) opens them all.
create function refresh_access(p_owner uuid, p_grantee uuid, p_source uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(p_owner, alone => p_source is null);
    with wanted as materialized (
        select w.user_id, w.series_id, w.access, max(w.expires_at) as expires_at
        from (
            select g.grantee_id as user_id, s.series_id, g.access, g.ends_at as expires_at
            from public.grants g
            join public.series s on s.user_id = g.user_id
            where g.user_id = p_owner and g.state = 'accepted' and g.ends_at > now() and g.from_at is null and g.until_at is null
                and (p_grantee is null or g.grantee_id = p_grantee) and (p_source is null or s.source_id = p_source)
                and case g.opens
                    when 'everything' then true
                    when 'source' then s.source_id = g.source_id
                    -- Only what its own source says of a series counts: a metric of another one may claim to be stored there.
                    when 'metric' then s.source_id = g.source_id and exists (select from public.metrics m
                        where m.series_id = s.series_id and m.user_id = s.user_id and m.source_id = s.source_id and m.metric = g.metric)
                    else exists (select from public.metrics m join public.series_types t on t.code = m.type_code
                        where m.series_id = s.series_id and m.user_id = s.user_id and m.source_id = s.source_id and t.category = g.category)
                end
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
            select g.grantee_id as user_id, s.source_id, g.access, g.ends_at as expires_at
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
        select g.grantee_id as user_id, s.source_id, s.series_id, coalesce(g.from_at, '-infinity') as from_at,
            coalesce(g.until_at, 'infinity') as until_at, max(g.ends_at) as expires_at
        from public.grants g
        join public.series s on s.user_id = g.user_id and (g.opens = 'everything' or s.source_id = g.source_id)
        where g.user_id = p_owner and g.state = 'accepted' and g.ends_at > now() and (g.from_at is not null or g.until_at is not null)
            and (p_grantee is null or g.grantee_id = p_grantee) and (p_source is null or s.source_id = p_source)
        group by g.grantee_id, s.source_id, s.series_id, 4, 5
    ), gone as (
        delete from public.series_windows a
        where a.owner_id = p_owner and (p_grantee is null or a.user_id = p_grantee) and (p_source is null or a.source_id = p_source)
            and not exists (select from wanted w where w.user_id = a.user_id and w.series_id = a.series_id
                and w.from_at = a.from_at and w.until_at = a.until_at)
    )
    insert into public.series_windows as a (user_id, owner_id, source_id, series_id, from_at, until_at, expires_at)
    select w.user_id, p_owner, w.source_id, w.series_id, w.from_at, w.until_at, w.expires_at from wanted w
    on conflict (user_id, series_id, from_at, until_at) do update set expires_at = excluded.expires_at
        where a.expires_at <> excluded.expires_at;
end
$$;

create function grants_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'UPDATE' and new.state in ('declined', 'revoked') and old.state in ('offered', 'accepted') then
        update public.grants set state = 'revoked', ended_at = now()
        where parent_id = new.grant_id and state in ('offered', 'accepted');
    end if;
    if tg_op <> 'INSERT' and old.state = 'accepted' then
        perform public.refresh_access(old.user_id, old.grantee_id, null);
    end if;
    if tg_op <> 'DELETE' and new.state = 'accepted' then
        perform public.refresh_access(new.user_id, new.grantee_id, null);
    end if;
    return null;
end
$$;
create trigger grants_changed after insert or update or delete on grants for each row execute function grants_changed();

-- Nobody grants on more than they have: a grant by somebody else rests upon one of their own that is at least as wide.
create function check_grant() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if new.granted_by = new.user_id then
        new.parent_id := null;
        return new;
    end if;
    select g.grant_id into new.parent_id
    from public.grants g
    where g.user_id = new.user_id and g.grantee_id = new.granted_by and g.state = 'accepted' and g.access = 3
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
create trigger check_grant before insert on grants for each row execute function check_grant();

create function metrics_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    owner uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
begin
    perform public.lock_grants(owner, alone => false);
    if exists (select from public.grants where user_id = owner and state = 'accepted')
        or exists (select from public.public_looks where owner_id = owner) then
        perform public.refresh_access(owner, null, case tg_op when 'DELETE' then old.source_id else new.source_id end);
    end if;
    return null;
end
$$;
create trigger metrics_changed after insert or delete or update of type_code, series_id on metrics
    for each row execute function metrics_changed();

-- A source without metrics is granted with everything too.
create function source_added() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(new.user_id, alone => false);
    insert into public.source_access (user_id, owner_id, source_id, access, expires_at)
    select g.grantee_id, new.user_id, new.source_id, g.access, max(g.ends_at)
    from public.grants g
    where g.user_id = new.user_id and g.state = 'accepted' and g.opens = 'everything' and g.ends_at > now()
        and g.from_at is null and g.until_at is null
    group by g.grantee_id, g.access;
    return null;
end
$$;
create trigger source_added after insert on sources for each row execute function source_added();

create function source_leaves() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.lock_grants(old.user_id, alone => true);
    delete from public.source_access where owner_id = old.user_id and source_id = old.source_id;
    delete from public.public_looks where owner_id = old.user_id and source_id = old.source_id;
    return old;
end
$$;
create trigger source_leaves before delete on sources for each row execute function source_leaves();

-- To show a source to everybody is the owner's to decide, and not an admin's.
create function keep_is_public() returns trigger language plpgsql as $$
begin
    if new.user_id is distinct from app_user_id() and app_user_id() is not null then
        raise exception 'Only its owner makes a source public.' using errcode = '42501', constraint = 'owner_decides_public';
    end if;
    return new;
end
$$;
create trigger keep_is_public before update of is_public on sources for each row
    when (old.is_public is distinct from new.is_public) execute function keep_is_public();

-- Opens a public source to whoever asks for it, and says whether there is one. It holds the row: the owner who makes it
-- private in the same moment either waits and then closes it, or was first.
create function look_at_public(p_owner uuid, p_source uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    me constant uuid := public.app_user_id();
begin
    perform from public.sources s where s.user_id = p_owner and s.source_id = p_source and s.is_public for share;
    if not found or me is null or me = p_owner then return false; end if;
    perform public.lock_person(me, alone => false);
    if exists (select from public.departed_users d where d.user_id = me) then return false; end if;
    insert into public.public_looks as l (user_id, owner_id, source_id, expires_at)
    values (me, p_owner, p_source, now() + interval '1 hour')
    on conflict (user_id, owner_id, source_id) do update set expires_at = excluded.expires_at;
    perform public.refresh_access(p_owner, me, p_source);
    -- Whoever looked long ago leaves nothing behind.
    delete from public.public_looks l using (
        select o.user_id from public.public_looks o
        where o.owner_id = p_owner and o.source_id = p_source and o.expires_at < now() limit 100 for update skip locked) as old
    where l.user_id = old.user_id and l.owner_id = p_owner and l.source_id = p_source;
    delete from public.source_access a using (
        select o.user_id, o.access from public.source_access o
        where o.owner_id = p_owner and o.source_id = p_source and o.expires_at < now() limit 100 for update skip locked) as old
    where a.user_id = old.user_id and a.owner_id = p_owner and a.source_id = p_source and a.access = old.access;
    delete from public.series_access a using (
        select o.user_id, o.series_id, o.access from public.series_access o join public.series s on s.series_id = o.series_id
        where s.user_id = p_owner and s.source_id = p_source and o.expires_at < now() limit 100 for update of o skip locked) as old
    where a.user_id = old.user_id and a.series_id = old.series_id and a.access = old.access;
    return true;
end
$$;

create function made_private() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    delete from public.public_looks where owner_id = new.user_id and source_id = new.source_id;
    perform public.refresh_access(new.user_id, null, new.source_id);
    return null;
end
$$;
create trigger made_private after update of is_public on sources for each row
    when (old.is_public and not new.is_public) execute function made_private();

-- A type that moves to another category takes its series along.
create function category_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform public.refresh_access(o.user_id, null, null)
    from (select distinct g.user_id from public.grants g
        where g.state = 'accepted' and g.category in (old.category, new.category) order by g.user_id) as o;
    return null;
end
$$;
create trigger category_changed after update of category on series_types for each row
    when (old.category is distinct from new.category) execute function category_changed();

-- Accepts an offer: by its code, or as the person that it names. Null where there is nothing to accept, whatever the
-- reason: a guess learns nothing. The same person again is answered as the first time.
create function accept_grant(p_hash bytea, p_grant uuid) returns uuid
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
        or exists (select from public.departed_users d where d.user_id in (me, offer.user_id)) then
        return null;
    end if;
    update public.grants set state = 'accepted', grantee_id = me, accepted_at = now()
    where user_id = offer.user_id and grant_id = offer.grant_id;
    return offer.grant_id;
end
$$;

-- Ends a grant: revoked by whoever granted it, left by whoever accepted it, declined by whoever it names or who has the
-- code. What became of it; null where there is nothing to end. What has ended, stays ended.
create function end_grant(p_grant uuid, p_hash bytea) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    me constant uuid := public.app_user_id();
    ending public.grants;
begin
    select g.* into ending from public.grants g
    where me is not null and g.grant_id = p_grant
        and (me in (g.user_id, g.granted_by) or g.grantee_id = me or g.state = 'offered' and g.code_hash = p_hash);
    if ending.grant_id is null then return null; end if;
    perform public.lock_grants(ending.user_id, alone => true);
    update public.grants g
    set state = case when me in (g.user_id, g.granted_by) or g.state = 'accepted' then 'revoked' else 'declined' end, ended_at = now()
    where g.user_id = ending.user_id and g.grant_id = p_grant and g.state in ('offered', 'accepted')
    returning g.* into ending;
    if not found then select g.* into ending from public.grants g where g.grant_id = p_grant; end if;
    return ending.state;
end
$$;

-- Who looked and who wrote. Looks are counted by the hour, so that looking stays cheap; each write stands for itself.
create table access_log (
    user_id uuid not null,                                -- whose rows
    entry_id uuid not null,                               -- version 7: the order
    actor_id uuid not null,
    source_id uuid,                                       -- null: all sources that were open to the actor
    verb text not null check (verb in ('read', 'write', 'delete', 'admin')),
    count int not null default 1,                         -- of looks, or of readings
    at timestamptz not null default now(),
    hour timestamptz not null default date_bin('1 hour', now(), timestamptz '2000-01-01 00:00:00+00'),
    primary key (user_id, entry_id)
);
call own_rows('access_log');
create unique index access_log_looks on access_log (user_id, actor_id, hour, source_id) nulls not distinct where verb = 'read';
create index access_log_by_actor on access_log (actor_id);

-- Only who was granted access is written down, and only as themselves: nobody fills the log of another person.
create function note_access(p_entry uuid, p_owner uuid, p_source uuid, p_verb text, p_count int) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    insert into public.access_log as l (user_id, entry_id, actor_id, source_id, verb, count)
    select p_owner, p_entry, public.app_user_id(), p_source, p_verb, p_count
    where (exists (select from public.series_windows w
            where w.user_id = public.app_user_id() and w.owner_id = p_owner and w.source_id = p_source and w.expires_at > now())
        or exists (select from public.source_access a
            where a.user_id = public.app_user_id() and a.owner_id = p_owner and (p_source is null or a.source_id = p_source) and a.expires_at > now()))
        and not (p_verb = 'read' and exists (select from public.sources s where s.user_id = p_owner and s.source_id = p_source and s.is_public))
    on conflict (user_id, actor_id, hour, source_id) where verb = 'read' do update set count = l.count + 1, at = now()
$$;

-- Takes away what a person who leaves has granted, was granted, and did.
create function forget_grants() returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    me constant uuid := public.app_user_id();
    owner uuid;
begin
    for owner in select distinct g.user_id from public.grants g where me in (g.user_id, g.grantee_id, g.granted_by) order by 1 loop
        perform public.lock_grants(owner, alone => true);
        delete from public.grants g where g.user_id = owner and me in (g.user_id, g.grantee_id, g.granted_by);
    end loop;
    delete from public.source_access a using public.public_looks l
    where l.user_id = me and a.user_id = me and a.owner_id = l.owner_id and a.source_id = l.source_id;
    delete from public.series_access a using public.series s where a.user_id = me and s.series_id = a.series_id and s.user_id <> me;
    delete from public.public_looks l where l.user_id = me;
    delete from public.access_log l where l.user_id = me or l.actor_id = me;
end
$$;

alter table metrics alter column user_id set default row_owner();
alter table series alter column user_id set default row_owner();
alter table events alter column user_id set default row_owner();

alter table grants enable row level security, force row level security;
do $$
declare
    app constant name := service_role('app');
    guest constant name := service_role('guest');
    readonly constant name := service_role('readonly');
    -- For rows of the person: what stands before "or" is known once per statement, and the arrays are never asked for.
    mine constant text := 'user_id = (select row_owner()) and ((select app_owner_id()) is null';
    of_source constant text := ' or source_id = any (array(select a.source_id from source_access a where a.user_id = (select app_user_id()) '
        || 'and a.owner_id = (select app_owner_id()) and a.expires_at > now() and a.access >= %s))';
    of_series constant text := ' or series_id = any (array(select a.series_id from series_access a '
        || 'where a.user_id = (select app_user_id()) and a.expires_at > now()))';
    windowed constant text := 'exists (select from series_windows w where w.user_id = (select app_user_id()) '
        || 'and w.owner_id = (select app_owner_id()) and w.expires_at > now() and %s)';
    visible text;
    t text;
begin
    if to_regrole(guest) is null then
        raise exception 'There is no role %.', guest using hint = 'Run db/bootstrap.sql again: it makes the role and nothing else.';
    end if;
    foreach t in array array['sources', 'metrics', 'series', 'events'] loop
        if t = 'series' then
            drop policy series_select on series;
            drop policy series_insert on series;
            drop policy series_delete on series;
        else
            execute format('drop policy own_rows on %I', t);
        end if;
        visible := mine || case t
            when 'sources' then format(of_source, 0)
            when 'events' then format(of_source, 1)
            else format(of_source, 1) || of_series
        end || ')';
        execute format('create policy %I on %I for select to %I, %I using (%s)', t || '_select', t, app, readonly, visible);
    end loop;
    execute format('create policy sources_insert on sources for insert to %I with check (user_id = (select app_user_id()))', app);
    visible := mine || format(of_source, 3) || ')';
    execute format('create policy sources_update on sources for update to %I using (%s) with check (%s)', app, visible, visible);
    execute format('create policy sources_delete on sources for delete to %I using (user_id = (select app_user_id()))', app);
    foreach t in array array['metrics', 'series', 'events'] loop
        visible := mine || format(of_source, case t when 'events' then 2 else 3 end) || ')';
        execute format('create policy %I on %I for insert to %I with check (%s)', t || '_insert', t, app, visible);
        execute format('create policy %I on %I for delete to %I using (%s)', t || '_delete', t, app, visible);
        if t <> 'series' then
            execute format('create policy %I on %I for update to %I using (%s) with check (%s)', t || '_update', t, app, visible, visible);
        end if;
    end loop;

    -- A guest sees what lies in a window: rows of one owner, who must be named, and nothing of its own.
    execute format('create policy sources_window on sources for select to %I using (user_id = (select app_owner_id()) and source_id = any '
                || '(array(select w.source_id from series_windows w where w.user_id = (select app_user_id()) '
                || 'and w.owner_id = (select app_owner_id()) and w.expires_at > now())))', guest);
    foreach t in array array['metrics', 'series'] loop
        execute format('create policy %I on %I for select to %I using (user_id = (select app_owner_id()) and series_id = any '
                    || '(array(select w.series_id from series_windows w where w.user_id = (select app_user_id()) '
                    || 'and w.owner_id = (select app_owner_id()) and w.expires_at > now())))', t || '_window', t, guest);
    end loop;
    execute format('create policy events_window on events for select to %I using (user_id = (select app_owner_id()) and %s)', guest,
        format(windowed, 'w.source_id = events.source_id and events.started_at >= w.from_at and events.ended_at <= w.until_at'));
    execute format('create policy readings_window on readings for select to %I using (%s)', guest,
        format(windowed, 'w.series_id = readings.series_id and readings.at >= w.from_at and readings.at < w.until_at'));
    execute format('create policy readings_hour_window on readings_hour for select to %I using (%s)', guest,
        format(windowed, 'w.series_id = readings_hour.series_id and readings_hour.bucket >= w.from_at and readings_hour.bucket < w.until_at'));
    execute format('grant select on sources, metrics, series, events, readings, readings_hour, series_windows, series_access to %I', guest);

    execute format('create policy grants_select on grants for select to %I '
                || 'using (user_id = (select app_user_id()) or grantee_id = (select app_user_id()) or granted_by = (select app_user_id()))', app);
    execute format('create policy grants_insert on grants for insert to %I with check (user_id = (select row_owner()) '
                || 'and granted_by = (select app_user_id()) and state = ''offered'')', app);
    execute format('create policy grants_delete on grants for delete to %I using (user_id = (select app_user_id()))', app);
    -- Everything but the hash of the code.
    execute format('grant select (user_id, grant_id, granted_by, parent_id, grantee_id, opens, category, source_id, metric, from_at, until_at, access, '
                || 'ends_at, label, state, code_expires_at, created_at, accepted_at, ended_at) on grants to %I', app);
    execute format('grant insert, delete on grants to %I', app);
    execute format('grant select on grants to %I', service_role('backup'));
    execute format('revoke insert, update, delete on source_access, series_windows, public_looks, access_log from %I', app);
    execute format('grant execute on function accept_grant(bytea, uuid), end_grant(uuid, bytea), '
                || 'note_access(uuid, uuid, uuid, text, int), forget_grants(), look_at_public(uuid, uuid) to %I', app);
    execute format('grant execute on function note_access(uuid, uuid, uuid, text, int) to %I', guest);
end
$$;
revoke execute on function refresh_access(uuid, uuid, uuid), grants_changed(), check_grant(), metrics_changed(), source_added(),
    source_leaves(), category_changed(), accept_grant(bytea, uuid), end_grant(uuid, bytea),
    note_access(uuid, uuid, uuid, text, int), forget_grants(), look_at_public(uuid, uuid), made_private() from public;
