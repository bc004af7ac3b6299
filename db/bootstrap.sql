-- The roles and the database of one service. A superuser runs it once per service, and again when a password changes:
--
--     export SERVICE=readings                # names the roles: readings_migrator, readings_app, …
--     export DATABASE=readings               # the same as the service if unset
--     export MIGRATOR_PASSWORD=… APP_PASSWORD=… RELAY_PASSWORD=… BACKUP_PASSWORD=… READONLY_PASSWORD=…
--     psql -X -f db/bootstrap.sql            # psql 15 or newer; the server and the superuser from PGHOST, PGUSER, …
--
-- Running it again changes nothing but the passwords, and any number may run at the same time against one server. A
-- password that is unset or empty is left as it is; a new role without one cannot log in by password. Exit 0, or 3 with
-- the reason (2: no server).
--
--   <service>_migrator   owns database, schema and tables, passes row-level security; for the migration job only
--   <service>_app        reads and writes rows where a script granted it; owns, creates and inherits nothing
--   <service>_guest      what the app becomes for one transaction to see or write a window of time of somebody else's; no login
--   <service>_relay      takes events out of the outbox
--   <service>_backup     reads every row of everything, for pg_dump; writes nothing
--   <service>_readonly   for a person looking around: what scripts grant, under row-level security, so nobody's rows
--
-- Passwords come from the environment and never stand in argv. Setting one sends it to the server in a statement, so
-- this session turns off whatever writes statements down: the log, pg_stat_statements, auto_explain, pgaudit. What is
-- left: another superuser looking at pg_stat_activity in that instant, and a connection without TLS (use
-- sslmode=verify-full, or the socket). A SCRAM verifier (SCRAM-SHA-256$…) is taken in place of a password; then the
-- server never sees the password.
\set ON_ERROR_STOP on
\set QUIET on

-- A variable of the environment that is not there leaves the psql variable as it was: empty.
\set service ''
\set database ''
\set migrator_password ''
\set app_password ''
\set relay_password ''
\set backup_password ''
\set readonly_password ''
\getenv service SERVICE
\set database :service
\getenv database DATABASE
\getenv migrator_password MIGRATOR_PASSWORD
\getenv app_password APP_PASSWORD
\getenv relay_password RELAY_PASSWORD
\getenv backup_password BACKUP_PASSWORD
\getenv readonly_password READONLY_PASSWORD

-- Advisory locks count per database, and roles are everybody's: all runs meet in one database.
\connect postgres
set client_min_messages = warning;

-- Dollar-quoted text is closed to psql's variables; a setting carries the names in.
select set_config('bootstrap.service', :'service', false) \g /dev/null
select set_config('bootstrap.database', :'database', false) \g /dev/null
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        raise exception 'The bootstrap needs a superuser: BYPASSRLS can be given by nobody else.';
    end if;
    if current_setting('bootstrap.service') !~ '^[a-z][a-z0-9_]{0,49}$' then
        raise exception 'SERVICE is "%". It names roles: a small letter, then at most 49 of a-z, 0-9 and _.',
            current_setting('bootstrap.service');
    end if;
    if current_setting('bootstrap.database') !~ '^[a-z][a-z0-9_]{0,62}$'
        or current_setting('bootstrap.database') in ('postgres', 'template0', 'template1') then
        raise exception 'DATABASE is "%". It must be of its own: a small letter, then at most 62 of a-z, 0-9 and _.',
            current_setting('bootstrap.database');
    end if;
end
$$;

set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_duration_sample = -1;
set log_transaction_sample_rate = 0;
set log_min_error_statement = panic;
set pg_stat_statements.track = 'none';
set auto_explain.log_min_duration = -1;
set pgaudit.log = 'none';
set password_encryption = 'scram-sha-256';

\set migrator :service _migrator
\set app :service _app
\set guest :service _guest
\set relay :service _relay
\set backup :service _backup
\set readonly :service _readonly

select pg_advisory_lock(hashtextextended('openreadings bootstrap', 0)) \g /dev/null

select format('create role %I', name)
from unnest(array[:'migrator', :'app', :'guest', :'relay', :'backup', :'readonly']) name
where not exists (select from pg_roles where rolname = name) \gexec

alter role :"migrator" login nosuperuser nocreatedb nocreaterole noreplication inherit bypassrls;
alter role :"app" login nosuperuser nocreatedb nocreaterole noreplication noinherit nobypassrls;
alter role :"guest" nologin nosuperuser nocreatedb nocreaterole noreplication noinherit nobypassrls;
-- The app inherits nothing (above), so that a guest's policies are not added to its own: it has to become one.
grant :"guest" to :"app";
alter role :"relay" login nosuperuser nocreatedb nocreaterole noreplication noinherit nobypassrls;
alter role :"backup" login nosuperuser nocreatedb nocreaterole noreplication inherit bypassrls;
alter role :"readonly" login nosuperuser nocreatedb nocreaterole noreplication noinherit nobypassrls;
-- A dump must not miss a table because a script forgot the grant.
grant pg_read_all_data to :"backup";

select format('alter role %I password %L', name, password)
from (values (:'migrator', :'migrator_password'), (:'app', :'app_password'), (:'relay', :'relay_password'),
    (:'backup', :'backup_password'), (:'readonly', :'readonly_password')) given (name, password)
where password <> '' \gexec

-- A limit on everything: a request that hangs must not hold a connection, a lock or the vacuum horizon.
alter role :"app" set statement_timeout = '60s';
alter role :"app" set lock_timeout = '10s';
alter role :"app" set idle_in_transaction_session_timeout = '30s';
alter role :"relay" set statement_timeout = '60s';
alter role :"relay" set lock_timeout = '10s';
alter role :"relay" set idle_in_transaction_session_timeout = '60s';
-- All that the relay commits is "this was sent": when a crash forgets that, the event is sent again, as it may be anyway.
alter role :"relay" set synchronous_commit = off;
alter role :"readonly" set statement_timeout = '5min';
alter role :"readonly" set lock_timeout = '2s';
alter role :"readonly" set idle_in_transaction_session_timeout = '60s';
alter role :"readonly" set default_transaction_read_only = on;
alter role :"backup" set default_transaction_read_only = on;
select format('alter role %I set %s', name, setting)
from unnest(array[:'migrator', :'app', :'relay', :'backup', :'readonly']) name,
     unnest(array[$$timezone = 'UTC'$$, 'search_path = public']) setting \gexec

-- Collation C: the order of text is its bytes, and no update of the system's library can silently break an index.
select format($$create database %I template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8'$$, :'database')
where not exists (select from pg_database where datname = :'database') \gexec

alter database :"database" owner to :"migrator";
revoke all on database :"database" from public;
grant connect on database :"database" to :"app", :"relay", :"backup", :"readonly";

-- The lock of before ends with its connection; what follows touches this one database only.
\connect :"database"
set client_min_messages = warning;
select pg_advisory_lock(hashtextextended('openreadings bootstrap', 0)) \g /dev/null
alter schema public owner to :"migrator";
revoke all on schema public from public;
grant usage on schema public to :"app", :"guest", :"relay", :"backup", :"readonly";
