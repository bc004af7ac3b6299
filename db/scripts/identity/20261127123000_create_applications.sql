-- Programs of others that act for people (OAuth 2.1, OpenID Connect), and what each person lets them do.
create table applications (
    user_id uuid not null default app_user_id() references accounts on delete cascade,   -- who made it
    client_id uuid not null,                              -- also the id under which it has rows of its own in every service
    name text not null check (char_length(name) between 1 and 100),
    is_public boolean not null,                           -- has no secret: it runs where its users can read it
    redirect_uris jsonb not null check (jsonb_typeof(redirect_uris) = 'array'),
    post_logout_redirect_uris jsonb not null default '[]' check (jsonb_typeof(post_logout_redirect_uris) = 'array'),
    scope text not null,                                  -- the most it may ask for
    created_at timestamptz not null default now(),
    primary key (user_id, client_id),
    constraint applications_client_id_key unique (client_id)
);
call own_rows('applications');

create table application_secrets (
    user_id uuid not null default app_user_id(),
    client_id uuid not null,
    secret_id uuid not null,
    hash bytea not null check (length(hash) = 32),        -- SHA-256: 256 random bits need no slow hash
    created_at timestamptz not null default now(),
    expires_at timestamptz,                               -- set when another takes its place
    primary key (user_id, client_id, secret_id),
    foreign key (user_id, client_id) references applications on delete cascade
);
call own_rows('application_secrets');

-- What a person lets an application do. It outlives its logins: the next one asks for nothing that was allowed before.
create table consents (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    client_id uuid not null,
    scope text not null,
    granted_at timestamptz not null default now(),
    primary key (user_id, client_id)
);
call own_rows('consents');

-- A browser that a person signed in with on our own pages is a login like any other; its cookie stands in place of a refresh token.
create table browser_sessions (
    user_id uuid not null default app_user_id(),
    login_id uuid not null,
    cookie_hash bytea not null check (length(cookie_hash) = 32),
    primary key (user_id, login_id),
    constraint browser_sessions_cookie_hash_key unique (cookie_hash),
    foreign key (user_id, login_id) references logins on delete cascade
);
call own_rows('browser_sessions');

create table authorization_codes (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    code_hash bytea not null check (length(code_hash) = 32),
    client_id uuid not null,
    redirect_uri text not null,
    scope text not null,
    nonce text,
    challenge text not null,                              -- PKCE, S256
    authenticated_at timestamptz not null,
    created_at timestamptz not null default now(),
    used_at timestamptz,
    login_id uuid,                                        -- what followed from it, and ends when it comes a second time
    primary key (user_id, code_hash),
    constraint authorization_codes_code_hash_key unique (code_hash)
);
call own_rows('authorization_codes');
create index authorization_codes_old on authorization_codes (created_at);

-- A gadget that waits for a person somewhere else to let it in (RFC 8628). Nobody's rows until somebody does: only the functions below
-- reach them, each by a secret that only the right one has.
create table device_requests (
    device_hash bytea primary key check (length(device_hash) = 32),
    user_code text not null,                              -- short, so guesses are counted; good for ten minutes
    client_id uuid not null,
    scope text not null,
    asked_from cidr not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    polled_at timestamptz,
    pause_seconds int not null default 5,
    decided_by uuid,
    allowed_scope text,                                   -- null: not decided, or denied
    authenticated_at timestamptz,
    constraint device_requests_user_code_key unique (user_code)
);
create index device_requests_old on device_requests (expires_at);

create function find_application(wanted uuid)
    returns table (owner_id uuid, client_id uuid, name text, is_public boolean, redirect_uris text, post_logout_redirect_uris text, scope text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select p.user_id, p.client_id, p.name, p.is_public, p.redirect_uris::text, p.post_logout_redirect_uris::text, p.scope
    from public.applications p
    join public.accounts a using (user_id)
    where p.client_id = wanted and a.disabled_at is null;
$$;

create function is_application_secret(wanted uuid, presented_hash bytea) returns boolean
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select exists (
        select from public.application_secrets
        where client_id = wanted and hash = presented_hash and (expires_at is null or expires_at > now()));
$$;

create function find_browser_session(presented_hash bytea)
    returns table (user_id uuid, login_id uuid, authenticated_at timestamptz, email text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select l.user_id, l.login_id, l.authenticated_at, a.email
    from public.browser_sessions b
    join public.logins l using (user_id, login_id)
    join public.accounts a using (user_id)
    where b.cookie_hash = presented_hash and l.ended_at is null and l.expires_at > now() and a.disabled_at is null;
$$;

create function find_authorization_code(presented_hash bytea) returns uuid
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select user_id from public.authorization_codes where code_hash = presented_hash;
$$;

-- An application goes with everything that it was let do, of everybody, at once; also when it goes with the account of its maker.
create function end_application() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    update public.logins set ended_at = now(), ended_because = 'application-removed' where client_id = old.client_id::text and ended_at is null;
    delete from public.consents where client_id = old.client_id;
    insert into public.revocations (mark) values (public.revocation_mark('person', old.client_id));
    return null;
end
$$;
create trigger end_application after delete on applications for each row execute function end_application();

create procedure ask_for_device(device bytea, code text, client uuid, wanted_scope text, from_address cidr)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.device_requests (device_hash, user_code, client_id, scope, asked_from, expires_at)
    values (device, code, client, wanted_scope, from_address, now() + interval '10 minutes');
$$;

create function find_device_request(code text)
    returns table (client_id uuid, scope text, asked_from text, created_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select d.client_id, d.scope, d.asked_from::text, d.created_at
    from public.device_requests d
    where d.user_code = code and d.expires_at > now() and d.decided_by is null and public.app_user_id() is not null;
$$;

-- Decided once, by whoever is signed in. A scope of null denies.
create function decide_device_request(code text, allowed text, proven_at timestamptz) returns boolean
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    update public.device_requests set decided_by = public.app_user_id(), allowed_scope = allowed, authenticated_at = proven_at
    where user_code = code and expires_at > now() and decided_by is null and public.app_user_id() is not null;
    return found;
end
$$;

-- What a gadget is told that asks whether it was let in: 'pending', 'too-soon', 'denied', 'expired', or 'allowed', once.
create function poll_device_request(device bytea, client uuid)
    returns table (outcome text, person uuid, scope text, authenticated_at timestamptz)
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
    found_one public.device_requests;
begin
    select * into found_one from public.device_requests d where d.device_hash = device and d.client_id = client for update;
    if found_one is null or found_one.expires_at <= now() then
        return query select 'expired', null::uuid, null::text, null::timestamptz;
        return;
    end if;
    if found_one.decided_by is not null then
        delete from public.device_requests d where d.device_hash = device;
        return query select case when found_one.allowed_scope is null then 'denied' else 'allowed' end, found_one.decided_by, found_one.allowed_scope, found_one.authenticated_at;
        return;
    end if;
    -- A second of grace: clocks and the way to us are not exact.
    if found_one.polled_at > clock_timestamp() - make_interval(secs => found_one.pause_seconds - 1) then
        update public.device_requests d set polled_at = clock_timestamp(), pause_seconds = least(d.pause_seconds + 5, 60) where d.device_hash = device;
        return query select 'too-soon', null::uuid, null::text, null::timestamptz;
        return;
    end if;
    update public.device_requests d set polled_at = clock_timestamp() where d.device_hash = device;
    return query select 'pending', null::uuid, null::text, null::timestamptz;
end
$$;

create procedure forget_old_authorizations()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.authorization_codes where created_at < now() - interval '1 day';
    delete from public.device_requests where expires_at < now();
    delete from public.application_secrets where expires_at < now();
$$;

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    execute format('revoke select on application_secrets, browser_sessions, authorization_codes from %I', service_role('readonly'));
    revoke execute on function end_application from public;
    foreach routine in array array[
        'find_application(uuid)', 'is_application_secret(uuid, bytea)', 'find_browser_session(bytea)', 'find_authorization_code(bytea)', 
        'ask_for_device(bytea, text, uuid, text, cidr)', 'find_device_request(text)', 'decide_device_request(text, text, timestamptz)',
        'poll_device_request(bytea, uuid)', 'forget_old_authorizations()']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
    execute format('grant select on device_requests to %I', service_role('backup'));
end
$$;
