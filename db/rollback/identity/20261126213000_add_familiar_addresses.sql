-- What is lost: where people have signed in from. Until it is known again, wrong passwords from elsewhere slow them too.
drop procedure forget_old_addresses;
drop function is_familiar;
drop table familiar_addresses;
