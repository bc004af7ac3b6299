-- migrate: no-transaction
-- Looks are counted by person, source, hour and application.
create unique index concurrently if not exists access_log_looks_by_client on access_log (user_id, actor_id, hour, source_id, client_id)
    nulls not distinct where verb = 'read';
