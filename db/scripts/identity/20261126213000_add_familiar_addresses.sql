-- Where a person has signed in from: wrong passwords from elsewhere do not shut these addresses out (decision 0040). An
-- IPv6 address is kept as its /64. Known until ninety days after the last sign-in from there.
create table familiar_addresses (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    address cidr not null,
    last_used_at timestamptz not null default now(),
    primary key (user_id, address)
);
call own_rows('familiar_addresses');

-- Asked before anybody is known, like find_password: has the person of this e-mail address signed in from there?
create function is_familiar(wanted_email_key text, from_address cidr)
    returns boolean
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    select exists (
        select from accounts
        join familiar_addresses using (user_id)
        where accounts.email_key = wanted_email_key and familiar_addresses.address = from_address
          and familiar_addresses.last_used_at > now() - interval '90 days');
end;

-- Nobody's request asks for this, so it is nobody's transaction.
create procedure forget_old_addresses()
    language sql security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    delete from familiar_addresses where last_used_at < now() - interval '90 days';
end;

do $$
begin
    execute format('revoke select on familiar_addresses from %I', service_role('readonly'));
    revoke execute on function is_familiar from public;
    revoke execute on procedure forget_old_addresses from public;
    execute format('grant execute on function is_familiar to %I', service_role('app'));
    execute format('grant execute on procedure forget_old_addresses to %I', service_role('app'));
end
$$;
