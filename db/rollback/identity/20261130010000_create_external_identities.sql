-- What is lost: which accounts elsewhere sign people in, with the tokens kept of them. Who made an account that way chooses a password by mail.
create or replace function people_sealed_otherwise(current_key text, beyond uuid, most int) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
    select user_id from public.totp where sealed_with <> current_key and user_id > beyond order by user_id limit most;
$$;
drop function find_external_identity, take_external_proof, find_external_proof;
drop procedure forget_old_external_proofs, keep_external_proof;
alter table passwords drop column is_chosen;
drop table external_proofs, external_identities;
