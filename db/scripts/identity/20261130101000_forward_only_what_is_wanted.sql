-- Whether any application has a queue, and none more is found to be the last or the first until the transaction ends: who takes the platform's events
-- away from the forwarder must not have looked before another brought them there.
create function queues_wanted() returns boolean
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtext('identity.integrators'));
    return exists (select from public.application_queues where ended_at is null);
end
$$;

-- As before, and planned once for each connection: a function of plain SQL is planned at each call, which took most of its time.
create or replace function queues_of(people uuid[], scopes text[])
    returns table (at int, name text)
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with events as (
        select e.person, e.scope, e.at::int as at from unnest(people, scopes) with ordinality e (person, scope, at)),
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
end
$$;

do $$
begin
    revoke execute on function queues_wanted() from public;
    execute format('grant execute on function queues_wanted() to %I', service_role('app'));
end
$$;
