#!/usr/bin/env bash
# A private PostgreSQL on loopback, wholly inside one folder; system instances are not touched.
#   postgres.sh start DIR PORT [throwaway]    DIR/connection then holds the superuser's connection string (Npgsql)
#   postgres.sh stop DIR | kill DIR           orderly, or as a crash would
#   postgres.sh psql DIR [ARG ...]            psql as superuser; no password is ever an argument
# throwaway: nothing is synced to disk, so that tests are quick. Anybody but root runs it as themselves.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
export PATH=$PATH:$binaries

settings() {
  local megabytes share
  megabytes=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  share=$((megabytes / 8 < 2048 ? megabytes / 8 : 2048))
  cat <<END
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 300
shared_buffers = $((share > 128 ? share : 128))MB
effective_cache_size = $((megabytes / 2))MB
max_wal_size = $((share > 256 ? share * 4 : 1024))MB
wal_compression = lz4
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m %u@%d '
END
  [[ ${2-} != throwaway ]] || printf '%s = off\n' fsync synchronous_commit full_page_writes autovacuum
}

start() {
  local dir=$1 port=$2 run_as
  ! alive "$dir/pid" || return 0
  [[ $binaries ]] || die "PostgreSQL is not installed: ./dev install"
  ! listening "$port" >/dev/null || die "Port $port (PostgreSQL) is taken by $(holder "$port")."
  become postgres
  mkdir -p "$dir"; chmod 711 "$dir"; ((EUID)) || chown postgres: "$dir"
  open_to postgres "$dir" || die "The user postgres cannot enter $dir: one of the folders above it is closed to others."
  if [[ ! -e $dir/data/PG_VERSION ]]; then
    rm -rf "$dir/data"
    random >"$dir/password"; chmod 600 "$dir/password"; ((EUID)) || chown postgres: "$dir/password"
    (cd / && "${run_as[@]}" "$binaries/initdb" --no-sync --data-checksums -D "$dir/data" -U postgres -E UTF8 --locale=C.UTF-8 \
      -A scram-sha-256 --pwfile="$dir/password") >"$dir/log" 2>&1 || { tail -n 15 "$dir/log" >&2; die "initdb failed."; }
    ((EUID)) || chown root: "$dir/password"
  fi
  settings "$port" "${3-}" >"$dir/data/postgresql.conf"
  printf 'Host=127.0.0.1;Port=%s;Username=postgres;Password=%s\n' "$port" "$(<"$dir/password")" | write "$dir/connection"
  printf '127.0.0.1:%s:*:postgres:%s\n' "$port" "$(<"$dir/password")" | write "$dir/pgpass"
  printf '%s\n' "$port" >"$dir/port"
  cd "$dir" && launch "$dir/pid" "$dir/log" "${run_as[@]}" "$binaries/postgres" -D "$dir/data"
  until_ready 60 "$dir/pid" "$dir/log" PostgreSQL pg_isready -q -h 127.0.0.1 -p "$port"
}

case ${1-} in
  start) start "${@:2}" ;;
  stop) finish "$2/pid" INT 60 ;;
  kill) finish "$2/pid" QUIT 5 ;;
  psql)
    dir=$2; export PGPASSFILE=$dir/pgpass PGHOST=127.0.0.1 PGPORT PGUSER=postgres; PGPORT=$(<"$dir/port")
    psql "${@:3}" ;;
  *) sed -n '2,6s/^# //p' "$0"; exit 2 ;;
esac
