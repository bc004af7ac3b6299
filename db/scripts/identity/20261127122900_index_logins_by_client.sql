-- migrate: no-transaction
-- For an application that goes, with all its logins.
create index concurrently if not exists logins_by_client on logins (client_id);
