-- What is lost: the limit of mails where many ask at one moment.
create or replace procedure ask_for_reset(wanted_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.reset_requests (email_hash) values (sha256(convert_to(wanted_email_key, 'UTF8')));
    insert into public.mail_outbox (user_id, kind, to_address)
    select user_id, 'reset', email
    from public.accounts
    where email_key = wanted_email_key and disabled_at is null
      and (select count(*) from public.reset_requests
           where email_hash = sha256(convert_to(wanted_email_key, 'UTF8')) and asked_at > now() - interval '1 hour') <= 3;
$$;

create or replace procedure note_repeated_sign_up(taken_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    insert into public.mail_outbox (user_id, kind, to_address)
    select user_id, 'signed-up-again', email
    from public.accounts
    where email_key = taken_email_key and (signed_up_again_at is null or signed_up_again_at < now() - interval '1 day');
    update public.accounts set signed_up_again_at = now() where email_key = taken_email_key;
$$;
