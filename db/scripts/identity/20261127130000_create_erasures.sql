-- That somebody was forgotten, and by whom already: the account is gone, so this is nobody's row. It is shown to whoever has its id, which
-- is wholly random, and says of the person nothing but the id of the account. Forgotten after a year.
create table erasures (
    erasure_id uuid primary key,
    account_id uuid not null,
    requested_at timestamptz not null default now(),
    erased jsonb not null default '{}',                   -- service: when
    constraint erasures_account_id_key unique (account_id)
);

-- As the person, in the transaction that deletes the account.
create procedure begin_erasure(erasure uuid)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.erasures (erasure_id, account_id, erased)
    select erasure, public.app_user_id(), jsonb_build_object('identity', now()) where public.app_user_id() is not null
    on conflict (account_id) do nothing;
$$;

-- The first answer of a service counts.
create procedure note_erased(account uuid, service text, at timestamptz)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    update public.erasures set erased = jsonb_build_object(service, at) || erased where account_id = account;
$$;

create function find_erasure(erasure uuid)
    returns table (account_id uuid, requested_at timestamptz, erased text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select e.account_id, e.requested_at, e.erased::text from public.erasures e where e.erasure_id = erasure;
$$;

create procedure forget_old_erasures()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.erasures where requested_at < now() - interval '1 year';
$$;

-- The public halves of keys that sign no more: a receipt is looked at years later.
create table retired_keys (
    kid text primary key,
    x text not null,
    y text not null,
    signed_until timestamptz not null
);

create function retire_key() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    insert into public.retired_keys (kid, x, y, signed_until) values (old.kid, old.x, old.y, least(old.signs_until, now())) on conflict do nothing;
    return null;
end
$$;
create trigger retire_key after delete on signing_keys for each row execute function retire_key();

do $$
declare
    app constant name := service_role('app');
    routine regprocedure;
begin
    revoke execute on function retire_key from public;
    foreach routine in array array['begin_erasure(uuid)', 'note_erased(uuid, text, timestamptz)', 'find_erasure(uuid)', 'forget_old_erasures()']::regprocedure[] loop
        execute format('revoke execute on routine %s from public', routine);
        execute format('grant execute on routine %s to %I', routine, app);
    end loop;
    execute format('grant select on retired_keys to %I', app);
    execute format('grant select on erasures, retired_keys to %I', service_role('backup'));
end
$$;
