-- A login is one device or program that a person signed in on, and the family of refresh tokens that follow from it.
-- A refresh token works once and is followed by the next one. Used ones are remembered as long as the login, because a
-- used one that comes again was copied: whoever holds the newest one, thief or owner, loses it then.

create table logins (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    login_id uuid not null,                               -- the claim sid of its access tokens
    client_id text not null,
    scope text not null,
    authenticated_at timestamptz not null default now(),  -- when the password was last given: the claim auth_time
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null,                      -- however often it is refreshed
    ended_at timestamptz,
    ended_because text check (ended_because in ('signed-out', 'token-reused', 'password-changed')),
    primary key (user_id, login_id),
    check ((ended_at is null) = (ended_because is null))
);
call own_rows('logins');
create index logins_over_at on logins (least(expires_at, ended_at));     -- for forgetting

-- Only the SHA-256 is kept: 256 random bits need no slow hash, and a copy of this table signs nobody in.
create table refresh_tokens (
    user_id uuid not null default app_user_id(),
    token_hash bytea not null check (length(token_hash) = 32),
    login_id uuid not null,
    issued_at timestamptz not null default now(),
    used_at timestamptz,
    primary key (user_id, token_hash),
    constraint refresh_tokens_token_hash_key unique (token_hash),
    foreign key (user_id, login_id) references logins on delete cascade
);
call own_rows('refresh_tokens');
create index refresh_tokens_login on refresh_tokens (user_id, login_id);

-- A refresh token says whose it is only to this function. Everything after that happens as that person.
create function find_refresh_token(presented_hash bytea)
    returns table (user_id uuid, login_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    select refresh_tokens.user_id, refresh_tokens.login_id
    from refresh_tokens
    where refresh_tokens.token_hash = presented_hash;
end;

-- Nobody's request asks for this, so it is nobody's transaction. A login is kept a week beyond its end. Says how many
-- were forgotten: as many as asked for means that there may be more.
create function forget_old_logins(most int)
    returns bigint
    language sql security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    with forgotten as (
        delete from logins
        where (user_id, login_id) in (
            select user_id, login_id from logins
            where least(expires_at, ended_at) < now() - interval '7 days'
            limit most)
        returning 1)
    select count(*) from forgotten;
end;

do $$
begin
    execute format('revoke select on refresh_tokens from %I', service_role('readonly'));
    revoke execute on function find_refresh_token from public;
    revoke execute on function forget_old_logins from public;
    execute format('grant execute on function find_refresh_token to %I', service_role('app'));
    execute format('grant execute on function forget_old_logins to %I', service_role('app'));
end
$$;
