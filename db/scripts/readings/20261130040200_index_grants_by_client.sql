-- migrate: no-transaction
-- For an application that is ended, with all that was granted through it.
create index concurrently if not exists grants_by_client on grants (client_id) where client_id is not null;
