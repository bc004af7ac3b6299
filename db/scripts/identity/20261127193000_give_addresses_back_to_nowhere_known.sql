-- Where the other account goes must not be known beforehand: whoever made it could have signed up with that address, too, and so have stayed.
create or replace function take_address_back(wanted_email_key text, presented_hash bytea, entry uuid) returns void
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with moved as (
        update public.accounts
        set email = nowhere.address, email_key = nowhere.address
        from (select gen_random_uuid() || '@given-back.invalid' as address) as nowhere
        where email_key = wanted_email_key and email_verified_at is null and user_id <> public.app_user_id()
          -- The argument is not believed: the token is of the one who asks, and was used in this transaction.
          and exists (select from public.mail_tokens t
                      where t.token_hash = presented_hash and t.user_id = public.app_user_id() and t.purpose = 'undo' and t.used_at = now())
        returning user_id)
    insert into public.audit (user_id, entry_id, action) select user_id, entry, 'email-given-back' from moved;
$$;
