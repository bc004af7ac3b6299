-- What is lost: nothing.
drop function queues_wanted();

create or replace function queues_of(people uuid[], scopes text[])
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
