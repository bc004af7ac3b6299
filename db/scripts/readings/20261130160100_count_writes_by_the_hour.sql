-- A gadget that may write for somebody writes every minute, and a line for each told nobody anything: writes of an hour are one line that counts
-- the readings, as looks are. What was deleted, and what an administrator changed, still stands for itself.
create or replace function note_access(p_entry uuid, p_owner uuid, p_source uuid, p_verb text, p_count int) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    this_hour constant timestamptz := date_bin('1 hour', now(), timestamptz '2000-01-01 00:00:00+00');
begin
    if not exists (select from public.series_windows w
            where w.user_id = any (public.app_reader_ids()) and w.owner_id = p_owner and w.source_id = p_source and w.expires_at > now())
        and not exists (select from public.source_access a
            where a.user_id = any (public.app_reader_ids()) and a.owner_id = p_owner and (p_source is null or a.source_id = p_source) and a.expires_at > now())
        or p_verb = 'read' and exists (select from public.sources s where s.user_id = p_owner and s.source_id = p_source and s.is_public)
    then
        return;
    end if;
    if p_verb = 'write' then
        -- Ids begin with their time. Two first writes at the same moment are two lines, and both are true.
        update public.access_log l set count = least(l.count::bigint + p_count, 2147483647), at = now()
        where l.user_id = p_owner and l.entry_id = (
            select w.entry_id from public.access_log w
            where w.user_id = p_owner and w.hour = this_hour and w.verb = 'write' and w.actor_id = public.app_user_id()
                and w.source_id is not distinct from p_source and w.client_id is not distinct from public.app_client_id()
                and w.entry_id >= (lpad(to_hex((extract(epoch from this_hour) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
            order by w.entry_id desc limit 1);
        if found then return; end if;
    end if;
    insert into public.access_log as l (user_id, entry_id, actor_id, client_id, source_id, verb, count)
    values (p_owner, p_entry, public.app_user_id(), public.app_client_id(), p_source, p_verb, p_count)
    on conflict (user_id, actor_id, hour, source_id, client_id) where verb = 'read' do update set count = l.count + 1, at = now();
end
$$;

-- As long as the audit of the account itself. Says how many lines it was.
create function forget_old_access(most int) returns int
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with old as (
        delete from public.access_log
        where ctid = any (array(select ctid from public.access_log where hour < now() - interval '2 years' limit most))
        returning 1)
    select count(*)::int from old
$$;

do $$
begin
    revoke execute on function forget_old_access from public;
    execute format('grant execute on function forget_old_access to %I', service_role('app'));
end
$$;
