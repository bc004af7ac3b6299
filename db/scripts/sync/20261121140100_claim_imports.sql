-- A worker does not know whose import comes next, so one function, and nothing wider, looks past row-level security: it
-- gives the oldest import that waits, or whose worker died, to the caller's lease, and tells whose it is.
create function claim_import(p_lease uuid, p_seconds int) returns table (user_id uuid, import_id uuid)
    language sql volatile security definer set search_path = public, pg_temp
begin atomic
    update imports i
    set state = 'running', lease = p_lease, lease_until = now() + make_interval(secs => p_seconds),
        started_at = coalesce(i.started_at, now())
    from (
        select w.user_id, w.import_id
        from imports w
        where w.state in ('queued', 'running') and w.not_before <= now() and (w.lease_until is null or w.lease_until < now())
        -- somebody with many files waits behind somebody with one
        order by (select count(*) from imports r where r.user_id = w.user_id and r.state = 'running' and r.lease_until >= now()), w.created_at
        limit 1
        for update of w skip locked
    ) next
    where (i.user_id, i.import_id) = (next.user_id, next.import_id)
    returning i.user_id, i.import_id;
end;
revoke all on function claim_import(uuid, int) from public;

do $$
begin
    execute format('grant execute on function claim_import(uuid, int) to %I', service_role('app'));
end
$$;
