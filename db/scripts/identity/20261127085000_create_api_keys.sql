-- A key opens what its scope says for a gadget or a script that cannot sign in. Only the SHA-256 is kept: 256 random bits need
-- no slow hash, and a copy of this table opens nothing.
create table api_keys (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    key_id text not null check (key_id ~ '^[0-9A-Za-z]{12}$'),     -- stands in the key itself, for finding it again
    name text not null check (char_length(name) between 1 and 100),
    hash bytea not null check (length(hash) = 32),
    scope text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,                                        -- null: until it is ended
    last_used_at timestamptz,                                      -- to the minute
    ended_at timestamptz,
    primary key (user_id, key_id),
    constraint api_keys_hash_key unique (hash)
);
call own_rows('api_keys');

-- A key says whose it is only to this function. Everything after that happens as that person.
create function find_api_key(presented_hash bytea)
    returns table (user_id uuid, key_id text, scope text, expires_at timestamptz, is_good boolean)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select k.user_id, k.key_id, k.scope, k.expires_at, k.ended_at is null and (k.expires_at is null or k.expires_at > now()) and a.disabled_at is null
    from public.api_keys k
    join public.accounts a using (user_id)
    where k.hash = presented_hash;
$$;

do $$
begin
    execute format('revoke select on api_keys from %I', service_role('readonly'));
    revoke execute on function find_api_key from public;
    execute format('grant execute on function find_api_key to %I', service_role('app'));
end
$$;
