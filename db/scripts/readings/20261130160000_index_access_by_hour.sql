-- migrate: no-transaction
-- For forgetting what is old: lines come in the order of time, so that a few pages of index say where they end.
create index concurrently if not exists access_log_by_hour on access_log using brin (hour);
