-- Mail to people, and what they prove with the tokens in it. What is to be sent holds no token: it is made when the mail is, so that only its
-- hash is ever here.
alter table accounts add column email_verified_at timestamptz;

create table mail_outbox (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    mail_id uuid not null default gen_random_uuid(),
    kind text not null check (char_length(kind) between 1 and 40),
    to_address text not null check (char_length(to_address) <= 160),
    details jsonb not null default '{}',
    created_at timestamptz not null default now(),
    attempts int not null default 0,
    next_try_at timestamptz not null default now(),
    primary key (user_id, mail_id)
);
call own_rows('mail_outbox');
create index mail_outbox_due on mail_outbox (next_try_at);

create table mail_tokens (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    token_hash bytea not null check (length(token_hash) = 32),
    purpose text not null check (purpose in ('verify', 'reset', 'change', 'undo', 'invitation')),
    email text not null,                                  -- the address that it proves
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (user_id, token_hash),
    constraint mail_tokens_token_hash_key unique (token_hash)
);
call own_rows('mail_tokens');
create index mail_tokens_old on mail_tokens (expires_at);

create table invitations (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    invitation_id uuid not null,
    email text not null,
    token_hash bytea check (length(token_hash) = 32),     -- of the mail that was sent last
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '7 days',
    accepted_at timestamptz,
    revoked_at timestamptz,
    primary key (user_id, invitation_id),
    constraint invitations_token_hash_key unique (token_hash)
);
call own_rows('invitations');

-- Who forgot a password is a stranger. Each request leaves a row, whether anybody has the address or not: the answer costs as much, and no
-- address gets more than three mails an hour.
create table reset_requests (
    email_hash bytea not null,
    asked_at timestamptz not null default now()
);
create index reset_requests_by_address on reset_requests (email_hash, asked_at);

create procedure ask_for_reset(wanted_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.reset_requests (email_hash) values (sha256(convert_to(wanted_email_key, 'UTF8')));
    insert into public.mail_outbox (user_id, kind, to_address)
    select user_id, 'reset', email
    from public.accounts
    where email_key = wanted_email_key and disabled_at is null
      and (select count(*) from public.reset_requests
           where email_hash = sha256(convert_to(wanted_email_key, 'UTF8')) and asked_at > now() - interval '1 hour') <= 3;
$$;

-- Somebody signs up with an address that is taken: its person hears of it, once a day at most, and whoever asked does not.
create or replace procedure note_repeated_sign_up(taken_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.mail_outbox (user_id, kind, to_address)
    select user_id, 'signed-up-again', email
    from public.accounts
    where email_key = taken_email_key and (signed_up_again_at is null or signed_up_again_at < now() - interval '1 day');
    update public.accounts set signed_up_again_at = now() where email_key = taken_email_key;
$$;

-- For the sender, which is nobody. A mail that it takes is left alone by others for a while that grows with each try.
create function take_mail(most int)
    returns table (user_id uuid, mail_id uuid, kind text, to_address text, details text, attempts int, is_given_up boolean)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with due as (
        select m.user_id, m.mail_id
        from public.mail_outbox m
        where m.next_try_at <= now()
        order by m.next_try_at
        limit most
        for update skip locked)
    update public.mail_outbox m
    set attempts = m.attempts + 1, next_try_at = now() + least(interval '30 seconds' * (1 << least(m.attempts, 10)), interval '1 hour')
    from due
    where m.user_id = due.user_id and m.mail_id = due.mail_id
    returning m.user_id, m.mail_id, m.kind, m.to_address, m.details::text, m.attempts, m.created_at < now() - interval '1 day';
$$;

create function find_mail_token(presented_hash bytea)
    returns table (user_id uuid, purpose text, is_good boolean)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select t.user_id, t.purpose, t.used_at is null and t.expires_at > now() and a.disabled_at is null
    from public.mail_tokens t
    join public.accounts a using (user_id)
    where t.token_hash = presented_hash;
$$;

-- Takes an invitation for whoever signs up with it, once; says for which address it was.
create function take_invitation(presented_hash bytea) returns text
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    update public.invitations set accepted_at = now()
    where token_hash = presented_hash and accepted_at is null and revoked_at is null and expires_at > now()
    returning email;
$$;

create procedure forget_old_mail()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.mail_tokens where expires_at < now() - interval '1 day';
    delete from public.reset_requests where asked_at < now() - interval '1 day';
    delete from public.invitations where expires_at < now() - interval '90 days';
$$;

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    execute format('revoke select on mail_outbox, mail_tokens, invitations from %I', service_role('readonly'));
    foreach routine in array array['ask_for_reset(text)', 'note_repeated_sign_up(text)', 'take_mail(int)', 'find_mail_token(bytea)', 'take_invitation(bytea)', 'forget_old_mail()']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
    execute format('grant select on reset_requests to %I', service_role('backup'));
end
$$;
