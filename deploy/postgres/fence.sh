#!/bin/sh
# Ends a primary for good, for `ops failover --fence`: stopped, and should anything start it again, a standby that takes
# no write. Run it on the primary's own host, by ssh for instance; again is harmless.
#   fence.sh SETTINGS        (Debian: /etc/postgresql/15/main)
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=$PATH${bin:+:$bin}
unset PGPORT PGDATA     # an operator's, for clients; the server would take them for its own
as=
[ "$(id -u)" != 0 ] || as='setpriv --reuid=postgres --regid=postgres --init-groups'
cd /
data=$($as postgres -C data_directory -D "$1")
[ -e "$data/PG_VERSION" ] || { echo "There is no cluster in $data." >&2; exit 1; }
# First the sign, then the stop: whatever happens in between, it does not come back as a primary.
$as touch "$data/standby.signal"
$as pg_ctl -D "$1" -s -m fast -w -t 60 stop || true
running() { $as pg_ctl -D "$1" status >/dev/null; }
! running "$1" || $as pg_ctl -D "$1" -s -m immediate -w -t 60 stop
! running "$1"
