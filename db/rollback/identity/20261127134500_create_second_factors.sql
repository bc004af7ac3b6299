-- What is lost: every second factor, its recovery codes and every passkey: people sign in with their passwords alone. How logins began.
do $$
begin
    execute format('revoke update (private_key, sealed_with) on signing_keys from %I', service_role('app'));
end
$$;
alter table logins drop column methods;
drop function people_sealed_otherwise, find_passkey, take_passkey_challenge;
drop procedure forget_old_passkey_challenges, keep_passkey_challenge;
drop table passkey_challenges, passkeys, code_tries, recovery_codes, totp;
