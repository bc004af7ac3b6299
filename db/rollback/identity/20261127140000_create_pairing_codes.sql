-- What is lost: pairing codes of the last ten minutes.
drop procedure forget_old_pairing_codes;
drop function take_pairing_code;
drop table pairing_codes;
