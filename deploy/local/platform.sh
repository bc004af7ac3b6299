# ./dev up, down, status and what they are made of. Sourced by ./dev. Everything lives under .dev/.

base=${OPENREADINGS_PORT_BASE:-$(cat .dev/port-base 2>/dev/null || echo 7100)}
shift_by=$((base - 7100))
declare -A port=([edge]=$base [identity]=$((base + 1)) [readings]=$((base + 2)) [catalog]=$((base + 3)) [sync]=$((base + 4))
  [postgres]=$((7432 + shift_by)) [broker]=$((7672 + shift_by)))
edge=http://127.0.0.1:$base
servers=$(readlink -m .dev/servers)

pid_file() { case $1 in postgres | broker | edge) say "$servers/$1/pid" ;; *) say ".dev/run/$1" ;; esac; }
log_file() { case $1 in postgres | broker | edge) say "$servers/$1/log" ;; *) say ".dev/log/$1.log" ;; esac; }
running() { alive "$(pid_file "$1")"; }

up() {
  local name started=$SECONDS
  install_packages
  one_at_a_time
  move_when_asked
  mkdir -p .dev/run .dev/log .dev/app .dev/stamps
  make_room
  make_secrets .dev/secrets "127.0.0.1:${port[postgres]}" "127.0.0.1:${port[broker]}"
  refuse_taken_ports
  start_servers
  build_platform
  wait_for_servers
  bootstrap
  migrate_all
  release_services
  start_edge
  say "" "OpenReadings is up ($((SECONDS - started)) s): $edge"
}

one_at_a_time() { mkdir -p .dev; exec 9>.dev/lock; flock -n 9 || die "Another ./dev is at work in this checkout."; }

# Another block of ports than last time: what runs on the old ones goes first.
move_when_asked() {
  local before
  before=$(cat .dev/port-base 2>/dev/null || echo "$base")
  [[ $before == "$base" ]] || { say "Moving from port $before to port $base."; stop_all; }
  echo "$base" >.dev/port-base
}

# As root, the servers run as users of their own. If a folder above keeps those out, as /root does, the data lies elsewhere.
make_room() {
  [[ ! -e $servers ]] || return 0
  mkdir -p "$servers"; chmod 755 .dev "$servers"
  open_to postgres "$servers" && return 0
  rmdir "$servers"
  servers=/var/lib/openreadings/$(basename "$PWD")-$(cksum <<<"$PWD" | cut -d' ' -f1)
  warn "The servers' own users cannot enter $PWD: their data goes to $servers."
  mkdir -p "$servers"; ln -s "$servers" .dev/servers
}

refuse_taken_ports() {
  local name taken=0
  for name in edge "${services[@]}" postgres broker; do
    running "$name" || ! listening "${port[$name]}" >/dev/null && continue
    warn "Port ${port[$name]} ($name) is taken by $(holder "${port[$name]}")"; taken=1
  done
  ((!taken)) || die "Stop that, or use another block of ports: OPENREADINGS_PORT_BASE=$((base + 200)) ./dev up"
}

start_servers() {
  if running broker && ! cmp -s .dev/secrets/broker.json "$servers/broker/home/definitions.json"; then
    deploy/local/broker.sh stop "$servers/broker"
  fi
  running postgres && running broker && return
  say "Starting PostgreSQL (${port[postgres]}) and RabbitMQ (${port[broker]})"
  deploy/local/postgres.sh start "$servers/postgres" "${port[postgres]}" & starting_postgres=$!
  deploy/local/broker.sh start "$servers/broker" "${port[broker]}" "$PWD/.dev/secrets/broker.json" & starting_broker=$!
}
wait_for_servers() {
  [[ ${starting_postgres-} ]] || return 0
  wait "$starting_postgres" || die "PostgreSQL did not start."
  wait "$starting_broker" || die "RabbitMQ did not start."
}

# changed NAME PATH...: are the files there others than when the step of that name was last done? done_with NAME says it is.
declare -A seen
changed() {
  local name=$1; shift
  seen[$name]=$(find "$@" \( -name bin -o -name obj \) -prune -o -type f -printf '%p %s %T@\n' 2>/dev/null | sort | cksum)
  [[ ${seen[$name]} != "$(cat ".dev/stamps/$name" 2>/dev/null)" ]]
}
done_with() { printf '%s' "${seen[$1]}" >".dev/stamps/$1"; }

build_platform() {
  changed build services db/migrator db/scripts Directory.*.props global.json deploy/local/platform.slnf || return 0
  say "Building"
  build deploy/local/platform.slnf
  done_with build
}

superuser() { deploy/local/postgres.sh psql "$servers/postgres" "$@"; }

bootstrap() {
  local service
  changed bootstrap db/bootstrap.sql .dev/secrets/passwords "$servers/postgres/password" || return 0
  say "Making roles and databases"
  for service in "${services[@]}"; do
    (export_passwords .dev/secrets "$service"; superuser -X -q -f db/bootstrap.sql)
  done
  write .dev/secrets/ops/ConnectionStrings__admin <"$servers/postgres/connection"
  done_with bootstrap
}
migrate() { MIGRATE_ENV=${MIGRATE_ENV:-dev} SECRETS_DIRECTORY=${SECRETS_DIRECTORY:-.dev/secrets/migrate} dotnet db/migrator/bin/Release/net10.0/migrate.dll "$@"; }
ops() { SECRETS_DIRECTORY=${SECRETS_DIRECTORY:-.dev/secrets/ops} dotnet db/ops/bin/Release/net10.0/ops.dll "$@"; }
migrate_all() {
  changed migration db/scripts db/repeatable .dev/stamps/bootstrap || return 0
  say "Migrating the databases"
  migrate up --service all >.dev/log/migrate.log 2>&1 || { cat .dev/log/migrate.log >&2; die "The migration failed."; }
  done_with migration
}

# Services run from copies, so that a build (of ./dev test, say) never changes a program while it runs. Only what differs
# from the copy that runs, in code or in settings, is started again.
release_services() {
  local service changed=()
  for service in "${services[@]}"; do
    [[ -e services/$service/Program.cs ]] || { warn "$service has no Program.cs yet"; continue; }
    settings "$service" | write ".dev/run/$service.new-settings"
    if ! running "$service" || ! cmp -s ".dev/run/$service.new-settings" ".dev/run/$service.settings" \
      || ! diff -rq "services/$service/bin/Release/net10.0" ".dev/app/$service" >/dev/null 2>&1; then changed+=("$service"); fi
  done
  ((${#changed[@]})) || return 0
  say "Starting ${changed[*]}"
  for service in "${changed[@]}"; do finish "$(pid_file "$service")" TERM 40 & done; wait
  for service in "${changed[@]}"; do start_service "$service"; done
  for service in "${changed[@]}"; do
    until_ready 120 "$(pid_file "$service")" "$(log_file "$service")" "$service" \
      curl -fsS -m 5 "http://127.0.0.1:${port[$service]}/readyz" || die "$service did not start: ./dev logs $service"
  done
}

# What a service is told, one KEY=value a line; and a sum over its secrets, so that a change of those is seen as well.
settings() {
  say "Urls=http://127.0.0.1:${port[$1]}" "SECRETS_DIRECTORY=$PWD/.dev/secrets/$1" \
    "Identity__Issuer=$edge/identity" "Identity__Jwks=http://127.0.0.1:${port[identity]}/identity/.well-known/jwks.json" \
    "Identity__Tokens=http://127.0.0.1:${port[identity]}/identity/v1/tokens" "Readings__Url=http://127.0.0.1:${port[readings]}" \
    "Imports__Directory=$PWD/.dev/imports" "Mail__Directory=$PWD/.dev/mail" "SECRETS_SUM=$(cat .dev/secrets/"$1"/* | cksum)"
}

start_service() {
  local service=$1 values
  rm -rf ".dev/app/$service"; cp -a "services/$service/bin/Release/net10.0" ".dev/app/$service"
  mv ".dev/run/$service.new-settings" ".dev/run/$service.settings"
  mapfile -t values <".dev/run/$service.settings"
  [[ ! -e .dev/log/$service.log ]] || mv ".dev/log/$service.log" ".dev/log/$service.log.1"
  local here=$PWD
  cd ".dev/app/$service"
  launch "$here/.dev/run/$service" "$here/.dev/log/$service.log" env "${values[@]}" dotnet "OpenReadings.${service^}.dll"
  cd "$here"
}

start_edge() {
  running edge || say "Starting the edge ($base)"
  deploy/local/edge.sh start "$servers/edge" "$base" $(for name in "${services[@]}"; do echo "127.0.0.1:${port[$name]}"; done) \
    || die "The edge did not start."
}

stop_all() {
  local name
  finish "$(pid_file edge)" TERM 10
  for name in "${services[@]}"; do finish "$(pid_file "$name")" TERM 40 & done; wait
  [[ ! -e $servers ]] || { deploy/local/broker.sh stop "$servers/broker"; deploy/local/postgres.sh stop "$servers/postgres"; }
}
down() { one_at_a_time; stop_all; say "Everything is stopped; the data stays in .dev (./dev reset removes it)."; }
reset() {
  one_at_a_time; stop_all
  rm -rf "$servers" .dev; say "Stopped, and all data, secrets and logs of this checkout are gone."
}

# One line for each part; exit 1 when one is not well, with the end of its log.
status() {
  local name state bad=()
  for name in edge "${services[@]}" postgres broker; do
    state=stopped
    if running "$name"; then
      state=running
      case $name in
        edge) curl -fsS -m 5 -o /dev/null "$edge/" 2>/dev/null || state='running, not answering' ;;
        postgres) superuser -X -qAtc 'select 1' >/dev/null 2>&1 || state='running, not answering' ;;
        broker) listening "${port[broker]}" >/dev/null || state='running, not answering' ;;
        *) curl -fsS -m 5 -o /dev/null "http://127.0.0.1:${port[$name]}/readyz" 2>/dev/null || state='running, not ready' ;;
      esac
    elif [[ -e $(pid_file "$name") ]]; then state='died'; fi
    [[ $state == running ]] || bad+=("$name")
    printf '%-10s %-6s %-24s %s\n' "$name" "${port[$name]}" "$state" "$(pid_of "$(pid_file "$name")" | sed 's/^/pid /' || true)"
  done
  ((${#bad[@]} == 0)) && return
  for name in "${bad[@]}"; do
    [[ -s $(log_file "$name") && -e $(pid_file "$name") ]] || continue
    say "" "The end of $(log_file "$name"):"; tail -n 8 "$(log_file "$name")" | sed 's/^/    /'
  done
  say "" "./dev up starts what is missing."; return 1
}

logs() { local file; file=$(log_file "${1:?edge, identity, readings, catalog, sync, postgres or broker}"); tail -n 100 "${@:2}" "$file"; }
query() { local database=${1:?which service?}; running postgres || die "PostgreSQL is not running: ./dev up"; superuser -d "$database" "${@:2}"; }

# Events as they happen, one line of JSON each, from all services or the one named.
watch() {
  local service
  running broker || die "RabbitMQ is not running: ./dev up"
  for service in ${1:-${services[@]}}; do
    amqp-consume --server=127.0.0.1 --port="${port[broker]}" --vhost=openreadings --authfile=.dev/secrets/watcher \
      -q "watch.$service.$$" -x -e "$service.events" -r "${2:-#}" -- jq -c . &
  done
  wait
}
