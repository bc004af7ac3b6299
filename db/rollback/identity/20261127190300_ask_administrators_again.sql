-- What is lost: that an administrator is asked again after waiting, and that roles are taken from tokens made meanwhile.
create or replace function administer(target uuid, wanted text, wanted_role text, reason text, from_address cidr, entry uuid) returns text
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
