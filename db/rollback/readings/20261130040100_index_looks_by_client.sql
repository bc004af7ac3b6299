-- What is lost: nothing but an index.
drop index access_log_looks_by_client;
