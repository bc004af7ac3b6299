-- Erasures that some service has not confirmed minutes later: an event may have been sent before anybody listened. They are told of again.
create function open_erasures(services text[])
    returns table (account_id uuid, requested_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select e.account_id, e.requested_at
    from public.erasures e
    where e.requested_at between now() - interval '30 days' and now() - interval '5 minutes' and not e.erased ?& services
    order by e.requested_at
    limit 1000;
$$;

do $$
begin
    revoke execute on function open_erasures(text[]) from public;
    execute format('grant execute on function open_erasures(text[]) to %I', service_role('app'));
end
$$;
