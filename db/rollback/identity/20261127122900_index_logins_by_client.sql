-- What is lost: nothing but speed.
drop index logins_by_client;
