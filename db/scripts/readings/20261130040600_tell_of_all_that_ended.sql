-- A grant takes with it what was granted on by it, and whoever had that was not told. Which grants of a person that were accepted have ended in this
-- transaction, also those that the one who ends them cannot see.
create function grants_ended_now(p_owner uuid) returns table (grant_id uuid, grantee_id uuid, client_id uuid)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select g.grant_id, g.grantee_id, g.client_id
    from public.grants g
    where g.user_id = p_owner and g.state = 'revoked' and g.accepted_at is not null and g.ends_at > now() and g.ended_at = now()
$$;

do $$
begin
    revoke execute on function grants_ended_now(uuid) from public;
    execute format('grant execute on function grants_ended_now(uuid) to %I', service_role('app'));
end
$$;
