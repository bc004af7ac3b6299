-- What is lost: nothing. Addresses of people who were invited are kept for three months longer.
create or replace procedure forget_old_mail()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.mail_tokens where expires_at < now() - interval '1 day';
    delete from public.reset_requests where asked_at < now() - interval '1 day';
    delete from public.invitations where expires_at < now() - interval '90 days';
$$;
