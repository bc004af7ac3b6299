-- What is lost: that an invitation ends with the account that gave it.
create or replace function take_invitation(presented_hash bytea) returns text
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    update public.invitations set accepted_at = now()
    where token_hash = presented_hash and accepted_at is null and revoked_at is null and expires_at > now()
    returning email;
$$;
