-- What is lost: nothing; old lines are kept, and each write is a line of its own again.
drop function forget_old_access(int);
create or replace function note_access(p_entry uuid, p_owner uuid, p_source uuid, p_verb text, p_count int) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    insert into public.access_log as l (user_id, entry_id, actor_id, client_id, source_id, verb, count)
    select p_owner, p_entry, public.app_user_id(), public.app_client_id(), p_source, p_verb, p_count
    where (exists (select from public.series_windows w
            where w.user_id = any (public.app_reader_ids()) and w.owner_id = p_owner and w.source_id = p_source and w.expires_at > now())
        or exists (select from public.source_access a
            where a.user_id = any (public.app_reader_ids()) and a.owner_id = p_owner and (p_source is null or a.source_id = p_source) and a.expires_at > now()))
        and not (p_verb = 'read' and exists (select from public.sources s where s.user_id = p_owner and s.source_id = p_source and s.is_public))
    on conflict (user_id, actor_id, hour, source_id, client_id) where verb = 'read' do update set count = l.count + 1, at = now()
$$;
