-- What is lost: which addresses were proven, mails not sent yet, links in mails that were, invitations.
drop procedure ask_for_reset, forget_old_mail;
drop function take_mail, find_mail_token, take_invitation;
create or replace procedure note_repeated_sign_up(taken_email_key text)
    language sql security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    update accounts set signed_up_again_at = now() where email_key = taken_email_key;
end;
drop table reset_requests, invitations, mail_tokens, mail_outbox;
alter table accounts drop column email_verified_at;
