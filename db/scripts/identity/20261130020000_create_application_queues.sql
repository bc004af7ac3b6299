-- The queue of an application at the broker, for events of the people who let it in, and the user there who reads it: what shall be there. The broker
-- is made to look like this by whoever reaches it (take_queues), so that nothing here waits for it. No foreign key: the row outlives its application
-- and the account until the broker has let go of both.
create table application_queues (
    user_id uuid not null default app_user_id(),          -- who made the application
    name text not null,                                   -- of the queue and of its user; a part of it is nobody's to guess
    client_id uuid not null,
    password_hash bytea not null check (length(password_hash) = 36),     -- as the broker keeps it: 4 bytes of salt, SHA-256 of it and 256 random bits
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    settled_at timestamptz,                               -- when the broker last was as it should be; before changed_at: it is not any more
    due_at timestamptz not null default now(),            -- when to look at it again
    attempts int not null default 0,
    primary key (user_id, name),
    constraint application_queues_name_key unique (name)
);
call own_rows('application_queues');
create unique index application_queues_client_id_key on application_queues (client_id) where ended_at is null;
create index application_queues_due on application_queues (due_at);

-- Whom a deleted account had let in: whoever may hold copies hears of it (GDPR, article 19). Nobody's rows, and forgotten after a week.
create table farewells (
    person_id uuid not null,
    client_id uuid not null,
    left_at timestamptz not null default now(),
    primary key (person_id, client_id)
);
create index farewells_old on farewells (left_at);

create function say_farewell() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    insert into public.farewells (person_id, client_id)
    select c.user_id, c.client_id
    from public.consents c
    join public.application_queues q on q.client_id = c.client_id and q.ended_at is null
    where c.user_id = old.user_id
    on conflict do nothing;
    return old;
end
$$;
create trigger say_farewell before delete on accounts for each row execute function say_farewell();

create procedure forget_farewells()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.farewells where left_at < now() - interval '7 days';
$$;

-- Also when it goes with the account of its maker.
create function end_application_queue() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    update public.application_queues
    set ended_at = now(), changed_at = clock_timestamp(), due_at = now(), attempts = 0
    where client_id = old.client_id and ended_at is null;
    return null;
end
$$;
create trigger end_application_queue after delete on applications for each row execute function end_application_queue();

-- While its maker is disabled nobody reads a queue; it is kept.
create function look_at_queues() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    update public.application_queues
    set changed_at = clock_timestamp(), due_at = now(), attempts = 0
    where user_id = new.user_id and ended_at is null;
    return null;
end
$$;
create trigger look_at_queues after update on accounts for each row
    when (old.disabled_at is distinct from new.disabled_at) execute function look_at_queues();

-- For the keeper, which is nobody. What one takes is left alone by others for a while that grows with each try.
create function take_queues(most int)
    returns table (name text, password_hash bytea, changed_at timestamptz, attempts int, is_ended boolean, is_open boolean, is_changed boolean)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with due as (
        select q.name
        from public.application_queues q
        where q.due_at <= now()
        order by q.due_at
        limit most
        for update skip locked)
    update public.application_queues q
    set attempts = q.attempts + 1, due_at = now() + interval '2 seconds' * (1 << least(q.attempts, 4))
    from due
    where q.name = due.name
    returning q.name, q.password_hash, q.changed_at, q.attempts, q.ended_at is not null,
        q.ended_at is null and exists (select from public.accounts a where a.user_id = q.user_id and a.disabled_at is null),
        q.settled_at is null or q.settled_at < q.changed_at;
$$;

-- The broker is as a queue was when it was taken. What was changed is looked at once more a minute later: a call that was under way may have come after
-- the one that undid it. From then on by the hour, as a broker may forget.
create procedure settle_queue(queue text, seen timestamptz)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.application_queues where name = queue and changed_at = seen and ended_at < now() - interval '50 seconds';
    update public.application_queues
    set settled_at = clock_timestamp(), attempts = 0,
        due_at = now() + case when changed_at > now() - interval '50 seconds' then interval '1 minute' else interval '1 hour' end
    where name = queue and changed_at = seen;
$$;

-- The broker does not have it.
create procedure miss_queue(queue text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    update public.application_queues set due_at = now() where name = queue and attempts = 0;
$$;

-- In which queues each of some events belongs, by the consents of this moment. A person is told of something while they are not there, so that
-- offline_access is asked for besides the scope. What is for everybody goes to all, and that somebody left to whom they had let in.
create function queues_of(people uuid[], scopes text[])
    returns table (at int, name text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    with events as (
        select person, scope, at::int from unnest(people, scopes) with ordinality e (person, scope, at)),
    open_queues as (
        select q.name, q.client_id, p.scope
        from public.application_queues q
        join public.applications p using (client_id)
        join public.accounts a on a.user_id = p.user_id
        where q.ended_at is null and q.settled_at is not null and a.disabled_at is null)
    select e.at, q.name
    from events e
    join public.consents c on c.user_id = e.person
    join public.accounts a on a.user_id = e.person and a.disabled_at is null
    join open_queues q using (client_id)
    where string_to_array(c.scope, ' ') @> array[e.scope, 'offline_access']
    union
    -- What an application has under its own id.
    select e.at, q.name
    from events e
    join open_queues q on q.client_id = e.person
    where e.scope = any (string_to_array(q.scope, ' '))
    union
    select e.at, q.name from events e cross join open_queues q where e.scope = 'everybody'
    union
    select e.at, q.name
    from events e
    join public.farewells f on f.person_id = e.person
    join open_queues q using (client_id)
    where e.scope = 'farewell';
$$;

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    execute format('revoke select on application_queues from %I', service_role('readonly'));
    execute format('grant select on farewells to %I', service_role('backup'));
    foreach routine in array array['say_farewell()', 'end_application_queue()', 'look_at_queues()']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
    end loop;
    foreach routine in array array[
        'forget_farewells()', 'take_queues(int)', 'settle_queue(text, timestamptz)', 'miss_queue(text)', 'queues_of(uuid[], text[])']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
end
$$;
