-- What somebody may do beyond their own rows. Nobody writes here as themselves: the functions below do, and ask first who asks.
create table roles (
    user_id uuid not null references accounts on delete cascade,
    role text not null check (role in ('administrator', 'moderator')),
    given_by uuid,                                        -- null: the first administrator, from the operator's settings
    given_at timestamptz not null default now(),
    primary key (user_id, role)
);
call own_rows('roles');

create function is_administrator() returns boolean
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select exists (
        select from public.roles join public.accounts using (user_id)
        where user_id = public.app_user_id() and role = 'administrator' and disabled_at is null);
$$;

-- True when it made the one who asks the first administrator: while there is one already, nobody becomes it.
create function become_first_administrator() returns boolean
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
    -- Several replicas start at one moment.
    perform pg_advisory_xact_lock(hashtextextended('identity.first-administrator', 0));
    if exists (select from public.roles where role = 'administrator') then return false; end if;
    insert into public.roles (user_id, role) values (public.app_user_id(), 'administrator');
    return true;
end
$$;

create function has_administrator() returns boolean
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select exists (select from public.roles where role = 'administrator');
$$;

-- What an administrator sees of people: who they are, and none of what they measure.
create function people(wanted text, before timestamptz, most int)
    returns table (account_id uuid, email text, name text, created_at timestamptz, disabled_at timestamptz, last_seen_at timestamptz, roles text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select a.user_id, a.email, a.name, a.created_at, a.disabled_at,
        (select max(l.last_used_at) from public.logins l where l.user_id = a.user_id),
        coalesce((select string_agg(r.role, ' ' order by r.role) from public.roles r where r.user_id = a.user_id), '')
    from public.accounts a
    where public.is_administrator()
      and (wanted is null or a.user_id::text = wanted or strpos(a.email_key, lower(wanted)) > 0 or strpos(lower(coalesce(a.name, '')), lower(wanted)) > 0)
      and (before is null or a.created_at < before)
    order by a.created_at desc
    limit most;
$$;

-- What an administrator does to an account stands in its person's audit. Says how it went: 'done', 'unchanged', 'not-found',
-- 'last-administrator', 'forbidden'.
create function administer(target uuid, wanted text, wanted_role text, reason text, from_address cidr, entry uuid) returns text
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
    changed int := 0;
begin
    if not public.is_administrator() then return 'forbidden'; end if;
    -- One at a time: two administrators must not take the role from each other at one moment.
    perform pg_advisory_xact_lock(hashtextextended('identity.first-administrator', 0));
    perform from public.accounts where user_id = target for update;
    if not found then return 'not-found'; end if;
    if (wanted = 'disable' or (wanted = 'take-role' and wanted_role = 'administrator'))
        and exists (select from public.roles where user_id = target and role = 'administrator')
        and not exists (select from public.roles join public.accounts using (user_id)
                        where user_id <> target and role = 'administrator' and disabled_at is null) then
        return 'last-administrator';
    end if;
    case wanted
        when 'disable' then
            update public.accounts set disabled_at = now() where user_id = target and disabled_at is null;
            get diagnostics changed = row_count;
            update public.logins set ended_at = now(), ended_because = 'disabled' where user_id = target and ended_at is null;
        when 'enable' then
            update public.accounts set disabled_at = null where user_id = target and disabled_at is not null;
            get diagnostics changed = row_count;
        when 'give-role' then
            insert into public.roles (user_id, role, given_by) values (target, wanted_role, public.app_user_id()) on conflict do nothing;
            get diagnostics changed = row_count;
        when 'take-role' then
            delete from public.roles where user_id = target and role = wanted_role;
            get diagnostics changed = row_count;
            -- What its tokens say of roles is true for ten minutes: they are to be made anew.
            if changed > 0 then
                insert into public.revocations (mark, issued_until) values (public.revocation_mark('person', target), now());
            end if;
    end case;
    if changed = 0 then return 'unchanged'; end if;
    insert into public.audit (user_id, entry_id, action, address, details)
    values (target, entry, case wanted when 'disable' then 'account-disabled' when 'enable' then 'account-enabled'
                                       when 'give-role' then 'role-given' else 'role-taken' end, from_address,
            jsonb_strip_nulls(jsonb_build_object('by', public.app_user_id(), 'role', wanted_role, 'reason', reason)));
    return 'done';
end
$$;

do $$
begin
    execute format('revoke insert, update, delete on roles from %I', service_role('app'));
    revoke execute on function is_administrator from public;
    revoke execute on function become_first_administrator from public;
    revoke execute on function has_administrator from public;
    revoke execute on function people from public;
    revoke execute on function administer from public;
    execute format('grant execute on function is_administrator to %I', service_role('app'));
    execute format('grant execute on function become_first_administrator to %I', service_role('app'));
    execute format('grant execute on function has_administrator to %I', service_role('app'));
    execute format('grant execute on function people to %I', service_role('app'));
    execute format('grant execute on function administer to %I', service_role('app'));
end
$$;
