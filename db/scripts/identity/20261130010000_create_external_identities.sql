-- Accounts elsewhere that sign a person in here. Known by issuer and subject alone: addresses change hands, and what the operator calls a
-- provider may come to mean another issuer.
create table external_identities (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    issuer text not null check (char_length(issuer) between 1 and 500),
    subject text not null check (char_length(subject) between 1 and 255),
    provider text not null check (char_length(provider) between 1 and 30),
    email text,                                           -- as the issuer says it, proven or not
    name text,
    tokens bytea,                                         -- nonce (12), tag (16), sealed JSON
    sealed_with text,                                     -- which key-encryption key
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    primary key (user_id, issuer),
    constraint external_identities_issuer_subject_key unique (issuer, subject),
    check ((tokens is null) = (sealed_with is null))
);
call own_rows('external_identities');
create index external_identities_sealed_with on external_identities (sealed_with);      -- for sealing anew

-- What an issuer has just said of somebody at a browser, before it is known who that is here: only the functions below reach it.
create table external_proofs (
    proof_hash bytea primary key check (length(proof_hash) = 32),
    content bytea not null,                               -- sealed: it may hold tokens of the issuer
    sealed_with text not null,
    created_at timestamptz not null default now()
);
create index external_proofs_old on external_proofs (created_at);

-- False: nobody knows it, because its account was made by an issuer's word and its person has chosen none since.
alter table passwords add column is_chosen boolean not null default true;

create procedure keep_external_proof(hash bytea, sealed bytea, key_name text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.external_proofs (proof_hash, content, sealed_with) values (hash, sealed, key_name);
$$;

create function find_external_proof(hash bytea)
    returns table (content bytea, sealed_with text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select p.content, p.sealed_with from public.external_proofs p where p.proof_hash = hash and p.created_at > now() - interval '10 minutes';
$$;

-- In the transaction of whoever it came to be, so that it is used once and only if something came of it.
create function take_external_proof(hash bytea) returns boolean
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with taken as (
        delete from public.external_proofs where proof_hash = hash and created_at > now() - interval '10 minutes'
        returning 1)
    select exists (select from taken);
$$;

create procedure forget_old_external_proofs()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.external_proofs where created_at < now() - interval '10 minutes';
$$;

-- A subject says whose it is only to this function. Everything after that happens as that person.
create function find_external_identity(presented_issuer text, presented_subject text)
    returns table (user_id uuid, is_disabled boolean)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select e.user_id, a.disabled_at is not null
    from public.external_identities e
    join public.accounts a using (user_id)
    where e.issuer = presented_issuer and e.subject = presented_subject;
$$;

create or replace function people_sealed_otherwise(current_key text, beyond uuid, most int) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select user_id from public.totp where sealed_with <> current_key and user_id > beyond
    union
    select user_id from public.external_identities where sealed_with <> current_key and user_id > beyond
    order by user_id limit most;
$$;

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    execute format('revoke select on external_identities, external_proofs from %I', service_role('readonly'));
    execute format('grant select on external_proofs to %I', service_role('backup'));
    foreach routine in array array[
        'keep_external_proof(bytea, bytea, text)', 'find_external_proof(bytea)', 'take_external_proof(bytea)', 'forget_old_external_proofs()', 'find_external_identity(text, text)']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
end
$$;
