-- What is lost: nothing.
-- migrate: no-transaction
drop index concurrently if exists access_log_by_hour;
