-- What is lost: nothing but speed.
drop index grants_by_client;
