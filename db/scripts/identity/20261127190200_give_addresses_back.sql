-- An address that was changed is free, and anybody may sign up with it without showing that they read there. That must not keep it from
-- whoever does: they undo the change with a token that was mailed to it. The other account stays as it is, under an address of nobody.
create function take_address_back(wanted_email_key text, presented_hash bytea, entry uuid) returns void
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    with moved as (
        update public.accounts
        set email = user_id || '@given-back.invalid', email_key = user_id || '@given-back.invalid'
        where email_key = wanted_email_key and email_verified_at is null and user_id <> public.app_user_id()
          -- The argument is not believed: the token is of the one who asks, and was used in this transaction.
          and exists (select from public.mail_tokens t
                      where t.token_hash = presented_hash and t.user_id = public.app_user_id() and t.purpose = 'undo' and t.used_at = now())
        returning user_id)
    insert into public.audit (user_id, entry_id, action) select user_id, entry, 'email-given-back' from moved;
$$;

do $$
begin
    revoke execute on function take_address_back from public;
    execute format('grant execute on function take_address_back to %I', service_role('app'));
end
$$;
