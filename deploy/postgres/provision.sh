#!/bin/sh
# A PostgreSQL server in Debian's layout: settings in one folder, data in another. It is made, not started.
#   provision.sh SETTINGS DATA PORT PASSWORD_FILE CERTIFICATE KEY
#   pg_ctl -D SETTINGS -w start
# Root makes it for the user postgres, anybody else for themselves. Data that is there stays as it is; the sample of
# pg_hba.conf is copied once, and yours to edit.
set -eu
[ $# -eq 6 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
settings=$1 data=$2 port=$3 password=$4 certificate=$5 key=$6
here=$(dirname "$(readlink -f "$0")")
initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
[ "$initdb" ] || initdb=$(command -v initdb) || { echo "initdb was not found: install postgresql-15." >&2; exit 1; }
owner=$(id -un) as=
[ "$(id -u)" != 0 ] || { owner=postgres as='setpriv --reuid=postgres --regid=postgres --init-groups'; }
put() { install -m "$1" -o "$owner" "$2" "$3"; }

install -d -m 755 -o "$owner" "$settings" "$settings/conf.d"
if [ ! -e "$data/PG_VERSION" ]; then
  install -d -m 700 -o "$owner" "$data"
  # A file of its own for the moment, so that the password may belong to somebody whom postgres cannot read.
  put 600 "$password" "$settings/password.new"
  trap 'rm -f "$settings/password.new"' EXIT
  (cd / && $as "$initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-local=peer --auth-host=scram-sha-256 --pwfile="$settings/password.new") >/dev/null
fi
put 644 "$certificate" "$settings/server.crt"
put 600 "$key" "$settings/server.key"
put 644 "$here/postgresql.conf" "$settings/conf.d/openreadings.conf"
[ -e "$settings/pg_hba.conf" ] || put 640 "$here/pg_hba.conf" "$settings/pg_hba.conf"
cat >"$settings/postgresql.conf" <<END
data_directory = '$data'
hba_file = '$settings/pg_hba.conf'
ident_file = '$data/pg_ident.conf'
ssl_cert_file = '$settings/server.crt'
ssl_key_file = '$settings/server.key'
listen_addresses = '127.0.0.1'
port = $port
include_dir = 'conf.d'
END
chown "$owner" "$settings/postgresql.conf"
