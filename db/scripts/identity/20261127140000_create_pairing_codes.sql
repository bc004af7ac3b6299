-- A code that a person reads to a program of somebody's, so that it comes in: the device flow the other way round, for what can be typed into.
create table pairing_codes (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    code_hash bytea not null check (length(code_hash) = 32),
    client_id uuid not null,
    scope text not null,
    authenticated_at timestamptz not null,
    expires_at timestamptz not null default now() + interval '10 minutes',
    primary key (user_id, code_hash),
    constraint pairing_codes_code_hash_key unique (code_hash)
);
call own_rows('pairing_codes');

-- Takes a code away for the one application that it is for: whose it was, and what was allowed.
create function take_pairing_code(presented_hash bytea, client uuid)
    returns table (person uuid, scope text, authenticated_at timestamptz)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.pairing_codes p
    where p.code_hash = presented_hash and p.client_id = client and p.expires_at > now()
    returning p.user_id, p.scope, p.authenticated_at;
$$;

create procedure forget_old_pairing_codes()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.pairing_codes where expires_at < now();
$$;

do $$
begin
    execute format('revoke select on pairing_codes from %I', service_role('readonly'));
    revoke execute on function take_pairing_code from public;
    revoke execute on procedure forget_old_pairing_codes from public;
    execute format('grant execute on function take_pairing_code to %I', service_role('app'));
    execute format('grant execute on procedure forget_old_pairing_codes to %I', service_role('app'));
end
$$;
