-- Somebody who is disabled could let themselves in again where sign-up is by invitation only, with an invitation that they had given before.
create or replace function take_invitation(presented_hash bytea) returns text
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    update public.invitations i set accepted_at = now()
    from public.accounts a
    where i.token_hash = presented_hash and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
      and a.user_id = i.user_id and a.disabled_at is null
    returning i.email;
$$;
