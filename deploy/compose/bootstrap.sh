#!/bin/sh
# Roles and databases, made again harmlessly at each start: the passwords are read from files and never stand in argv.
set -eu
password() { sed -n 's/.*Password=//p' "/run/secrets/$SERVICE.$1"; }
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGHOST=postgres PGUSER=postgres PGPASSWORD SERVICE DATABASE MIGRATOR_PASSWORD APP_PASSWORD RELAY_PASSWORD
for SERVICE in identity readings catalog sync; do
  DATABASE=$SERVICE
  MIGRATOR_PASSWORD=$(password migrator)
  APP_PASSWORD=$(password app)
  RELAY_PASSWORD=$(password relay)
  psql -X -q -f /bootstrap.sql
done
