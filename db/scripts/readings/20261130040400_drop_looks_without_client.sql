-- migrate: no-transaction
-- The index before: it would take two applications of one person for the same look.
drop index concurrently if exists access_log_looks;
