-- All that signing in asks before anybody is known, in one call that answers with one row whether anybody has the address or not. It takes the place of
-- find_password and is_familiar, which stay for the release before this one.
create function find_credentials(wanted_email_key text, from_address cidr)
    returns table (user_id uuid, hash text, is_disabled boolean, is_confirmed boolean, has_second_factor boolean, is_familiar boolean)
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    return query
    select accounts.user_id, passwords.hash, accounts.disabled_at is not null, accounts.email_verified_at is not null,
        exists (select from public.totp where totp.user_id = accounts.user_id and totp.confirmed_at is not null),
        exists (
            select from public.familiar_addresses as familiar
            where familiar.user_id = accounts.user_id and familiar.address = from_address and familiar.last_used_at > now() - interval '90 days')
    from (values (1)) as anyhow
    left join (public.accounts join public.passwords using (user_id)) on accounts.email_key = wanted_email_key;
end
$$;

do $$
begin
    revoke execute on function find_credentials from public;
    execute format('grant execute on function find_credentials to %I', service_role('app'));
end
$$;
