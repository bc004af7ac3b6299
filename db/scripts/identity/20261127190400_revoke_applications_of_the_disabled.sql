-- The applications of an account that is disabled get no new tokens; those that they had were good for ten minutes more. And what is refused
-- counts from now, not from the beginning of a transaction that may have had to wait.
create or replace function revoke_person() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    until constant timestamptz := case when tg_op = 'UPDATE' then clock_timestamp() + interval '2 seconds' end;
begin
    insert into public.revocations (mark, issued_until) values (public.revocation_mark('person', old.user_id), until);
    -- Those of one that is deleted are deleted with it, and end by that.
    if tg_op = 'UPDATE' then
        insert into public.revocations (mark, issued_until)
        select public.revocation_mark('person', client_id), until from public.applications where user_id = old.user_id
        union all
        select public.revocation_mark('login', l.login_id), until
        from public.applications a
        join public.logins l on l.client_id = a.client_id::text
        where a.user_id = old.user_id and l.ended_at is null;
    end if;
    return null;
end
$$;
