-- Who somebody is, and how they prove it. Both tables show a person their own row and nobody else's: the one question
-- that must be answered before anybody is known, "whose e-mail address is this", is a function of its own below.

create table accounts (
    user_id uuid primary key default app_user_id(),       -- the account's id is the person's id in every service
    email text not null check (length(email) <= 160),     -- as the person wrote it
    email_key text not null,                              -- lower-case, domain in ASCII: what makes two addresses the same
    name text check (length(name) <= 60),
    time_zone text not null default 'UTC',                -- IANA
    created_at timestamptz not null default now(),
    signed_up_again_at timestamptz,                       -- somebody signed up with this address later and was told nothing
    disabled_at timestamptz,
    constraint accounts_email_key unique (email_key)
);
call own_rows('accounts');

-- A table of its own: no query for a profile can ever carry a hash by accident.
create table passwords (
    user_id uuid primary key default app_user_id() references accounts on delete cascade,
    hash text not null check (hash like '$argon2id$%'),
    changed_at timestamptz not null default now()
);
call own_rows('passwords');

-- Row-level security hides an account until its person is known, and signing in has to find it by address. The app role
-- may ask exactly this of other people's rows. The bodies are bound to their tables when they are created, so no
-- search_path can redirect them; it is pinned all the same.
create function find_password(wanted_email_key text)
    returns table (user_id uuid, hash text, is_disabled boolean)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    select accounts.user_id, passwords.hash, accounts.disabled_at is not null
    from accounts
    join passwords using (user_id)
    where accounts.email_key = wanted_email_key;
end;

-- A sign-up with an address that is taken changes nothing but this mark. Its person is told by mail once there is mail;
-- whoever asked is told nothing, and the commit costs as much as that of a real sign-up.
create procedure note_repeated_sign_up(taken_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    update accounts set signed_up_again_at = now() where email_key = taken_email_key;
end;

do $$
begin
    execute format('revoke select on passwords from %I', service_role('readonly'));
    revoke execute on function find_password from public;
    revoke execute on procedure note_repeated_sign_up from public;
    execute format('grant execute on function find_password to %I', service_role('app'));
    execute format('grant execute on procedure note_repeated_sign_up to %I', service_role('app'));
end
$$;
