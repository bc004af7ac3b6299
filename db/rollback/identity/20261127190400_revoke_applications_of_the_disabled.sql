-- What is lost: that the tokens of a disabled account's applications end before their ten minutes.
create or replace function revoke_person() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into public.revocations (mark, issued_until)
    values (public.revocation_mark('person', old.user_id), case when tg_op = 'UPDATE' then now() + interval '2 seconds' end);
    return null;
end
$$;
