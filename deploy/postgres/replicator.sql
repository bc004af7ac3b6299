-- The role by which standbys copy the primary and follow it, and by which a former primary is rewound. A superuser runs it
-- once on the primary, and again when the password changes:
--
--     export REPLICATOR_PASSWORD=…
--     psql -X -d postgres -f deploy/postgres/replicator.sql
\set ON_ERROR_STOP on
\set QUIET on
\set password ''
\getenv password REPLICATOR_PASSWORD

begin;
set local client_min_messages = warning;
set local log_statement = 'none';
set local log_min_duration_statement = -1;
set local log_min_error_statement = panic;
set local password_encryption = 'scram-sha-256';
select 'create role replicator' where not exists (select from pg_roles where rolname = 'replicator') \gexec
alter role replicator login replication nosuperuser nocreatedb nocreaterole inherit nobypassrls;
select format('alter role replicator password %L', :'password') where :'password' <> '' \gexec
-- To see how far the standbys are, and what pg_rewind needs of a server that it copies from.
grant pg_monitor to replicator;
grant execute on function pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
    pg_read_binary_file(text, bigint, bigint, boolean) to replicator;
commit;
