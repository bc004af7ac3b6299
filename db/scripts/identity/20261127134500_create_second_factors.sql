-- Second factors and passkeys: how somebody proves who they are beyond a password, or without one.

-- A secret shared with an authenticator (RFC 6238). It is needed in the open to check a code, so it is sealed and not hashed: with a key that
-- the database never sees (AES-256-GCM, person and purpose as associated data).
create table totp (
    user_id uuid primary key default app_user_id() references accounts on delete cascade,
    secret bytea not null,                                -- nonce (12), tag (16), sealed secret
    sealed_with text not null,                            -- which key-encryption key
    made_at timestamptz not null default now(),
    confirmed_at timestamptz,                             -- null: shown to its person, who has not given a code of it yet
    last_step bigint not null default 0                   -- of the newest code that was used: neither it nor one before is good again
);
call own_rows('totp');
create index totp_sealed_with on totp (sealed_with);      -- for sealing anew

-- In place of an authenticator that is lost, each once. Only the SHA-256 is kept: 80 random bits need no slow hash here, since whoever could
-- try them by the billion has the database already, and the table opens nothing without the password.
create table recovery_codes (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    code_hash bytea not null check (length(code_hash) = 32),
    used_at timestamptz,
    primary key (user_id, code_hash)
);
call own_rows('recovery_codes');

-- How many codes were tried of late: a bucket that leaks. What is tried at the door and what is tried within a login are counted apart, so
-- that whoever has the password cannot take the tries of an owner who is signed in.
create table code_tries (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    place text not null check (place in ('sign-in', 'login')),
    used double precision not null,
    at timestamptz not null default now(),
    primary key (user_id, place)
);
call own_rows('code_tries');

create table passkeys (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    passkey_id uuid not null,
    name text not null check (char_length(name) between 1 and 100),
    credential_id bytea not null check (length(credential_id) between 1 and 1023),
    public_key bytea not null,                            -- COSE
    sign_count bigint not null,                           -- one that does not grow means that there are two of the authenticator
    transports text not null,                             -- separated by spaces
    is_backup_eligible boolean not null,
    is_backed_up boolean not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    primary key (user_id, passkey_id),
    constraint passkeys_credential_id_key unique (credential_id)
);
call own_rows('passkeys');

-- What an authenticator shall sign, once and within five minutes. At sign-in it is nobody's row yet: only the functions below reach it.
create table passkey_challenges (
    challenge_hash bytea primary key check (length(challenge_hash) = 32),
    asked_by uuid references accounts on delete cascade,  -- who adds a passkey; null: somebody signs in
    state text not null,                                  -- what was asked for, as the framework wrote it
    created_at timestamptz not null default now()
);
create index passkey_challenges_old on passkey_challenges (created_at);
create index passkey_challenges_asked_by on passkey_challenges (asked_by);

create procedure keep_passkey_challenge(hash bytea, asked text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.passkey_challenges (challenge_hash, asked_by, state) values (hash, public.app_user_id(), asked);
$$;

-- Gone when it is asked for, whatever becomes of the answer. One of somebody who adds a passkey is theirs alone, and signs nobody in.
create function take_passkey_challenge(hash bytea) returns text
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.passkey_challenges
    where challenge_hash = hash and asked_by is not distinct from public.app_user_id() and created_at > now() - interval '5 minutes'
    returning state;
$$;

create procedure forget_old_passkey_challenges()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.passkey_challenges where created_at < now() - interval '5 minutes';
$$;

-- A passkey says whose it is only to this function. Everything after that happens as that person.
create function find_passkey(presented_id bytea)
    returns table (user_id uuid, is_disabled boolean)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select k.user_id, a.disabled_at is not null
    from public.passkeys k
    join public.accounts a using (user_id)
    where k.credential_id = presented_id;
$$;

-- Whose secrets are not sealed with the key of now. What is in them is opened and sealed anew as each of them.
create function people_sealed_otherwise(current_key text, beyond uuid, most int) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select user_id from public.totp where sealed_with <> current_key and user_id > beyond order by user_id limit most;
$$;

-- How somebody proved who they are (RFC 8176): pwd, "pwd otp" or webauthn.
alter table logins add column methods text not null default 'pwd';

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    execute format('revoke select on totp, recovery_codes, code_tries, passkeys from %I', service_role('readonly'));
    execute format('grant update (private_key, sealed_with) on signing_keys to %I', app);
    execute format('grant select on passkey_challenges to %I', service_role('backup'));
    foreach routine in array array[
        'keep_passkey_challenge(bytea, text)', 'take_passkey_challenge(bytea)', 'forget_old_passkey_challenges()', 'find_passkey(bytea)',
        'people_sealed_otherwise(text, uuid, int)']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
end
$$;
