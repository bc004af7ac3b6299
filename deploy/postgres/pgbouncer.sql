-- Lets PgBouncer ask for the password verifier of whoever logs in. A superuser runs it in each service's database, and
-- again when the password changes; the password comes from the environment:
--
--     export PGBOUNCER_PASSWORD=…
--     psql -X -d readings -f deploy/postgres/pgbouncer.sql
--
-- Only *_app and *_relay are told: superuser, migrator and backup go to PostgreSQL itself, or not at all. Who steals the
-- password of this role has those verifiers, from which nobody can log in without finding the password first.
\set ON_ERROR_STOP on
\set QUIET on
\set password ''
\getenv password PGBOUNCER_PASSWORD

begin;
set local client_min_messages = warning;
set local log_statement = 'none';
set local log_min_duration_statement = -1;
set local log_min_error_statement = panic;
set local password_encryption = 'scram-sha-256';
select pg_advisory_xact_lock(hashtextextended('openreadings pgbouncer', 0)) \g /dev/null

-- Roles are everybody's and the lock is this database's: of two who make the role at once, one finds it made.
do $$ begin
    if not exists (select from pg_roles where rolname = 'pgbouncer') then create role pgbouncer; end if;
exception when duplicate_object or unique_violation then null;
end $$;
alter role pgbouncer login nosuperuser nocreatedb nocreaterole noreplication noinherit nobypassrls;
select format('alter role pgbouncer password %L', :'password') where :'password' <> '' \gexec

create schema if not exists pgbouncer;
revoke all on schema pgbouncer from public;
create or replace function pgbouncer.verifier(name text, out usename name, out passwd text)
    returns record
    language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select rolname, rolpassword from pg_authid
    where rolname = name and rolname ~ '_(app|relay)$' and rolcanlogin and not rolsuper and not rolreplication
      and (rolvaliduntil is null or rolvaliduntil > now());
end;
revoke all on function pgbouncer.verifier from public;

select format('grant connect on database %I to pgbouncer', current_database()) \gexec
grant usage on schema pgbouncer to pgbouncer;
grant execute on function pgbouncer.verifier to pgbouncer;
commit;
