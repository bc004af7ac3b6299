-- The same function with its text kept as it was written. A `begin atomic` body is kept parsed, and how PostgreSQL prints
-- such a body again differs between its minor releases, so db/schema/sync.sql differed with the machine that made it.
create or replace function claim_import(p_lease uuid, p_seconds int) returns table (user_id uuid, import_id uuid)
    language sql volatile security definer set search_path = public, pg_temp
as $$
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
    returning i.user_id, i.import_id
$$;
