#!/bin/sh
# Roles and databases, made again harmlessly at each start: the passwords are read from files and never stand in argv. For
# docker-compose.yml, and in the ops image for deploy/k8s.
set -eu
password() { [ ! -e "/run/secrets/$SERVICE.$1" ] || sed -n 's/.*Password=//p' "/run/secrets/$SERVICE.$1"; }
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGHOST="${PGHOST:-postgres}" PGUSER="${PGUSER:-postgres}" PGPASSWORD SERVICE DATABASE MIGRATOR_PASSWORD APP_PASSWORD RELAY_PASSWORD BACKUP_PASSWORD
for SERVICE in identity readings catalog sync; do
  DATABASE=$SERVICE
  MIGRATOR_PASSWORD=$(password migrator)
  APP_PASSWORD=$(password app)
  RELAY_PASSWORD=$(password relay)
  BACKUP_PASSWORD=$(password backup)
  psql -X -q -f "${BOOTSTRAP:-/bootstrap.sql}"
done
