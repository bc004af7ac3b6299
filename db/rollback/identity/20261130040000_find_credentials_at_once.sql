-- What is lost: nothing. Signing in asks with find_password and is_familiar again.
drop function find_credentials;
