-- The address of somebody who was invited is theirs, and they never asked for it to be kept. A month is enough for whoever invited them to see what
-- became of it: the invitation is good for a week.
create or replace procedure forget_old_mail()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.mail_tokens where expires_at < now() - interval '1 day';
    delete from public.reset_requests where asked_at < now() - interval '1 day';
    delete from public.invitations where created_at < now() - interval '30 days';
$$;
