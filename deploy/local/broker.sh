#!/usr/bin/env bash
# A private RabbitMQ on loopback, wholly inside one folder; system instances are not touched.
#   broker.sh start DIR PORT [DEFINITIONS]    AMQP on PORT, management on PORT + 10000; Erlang takes PORT + 1 and PORT + 2
#   broker.sh stop DIR | kill DIR             orderly, or as a crash would
#   broker.sh ctl DIR [ARG ...]               rabbitmqctl
# Without DEFINITIONS (users, vhosts and rights as JSON) it has one administrator, whose address DIR/uri holds. Started
# again on the same folder it has everything it had.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/secrets.sh"
binaries=/usr/lib/rabbitmq/bin

environment() {
  local dir=$1 port=$2
  export HOME=$dir/home RABBITMQ_NODENAME=broker@localhost RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOGS=-
  export RABBITMQ_LOG_BASE=$dir/home/log RABBITMQ_PID_FILE=$dir/home/pid RABBITMQ_CONFIG_FILE=$dir/rabbitmq RABBITMQ_CONF_ENV_FILE=$dir/none
  export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins RABBITMQ_NODE_PORT=$port RABBITMQ_DIST_PORT=$((port + 1))
  export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 2)) RUNNING_UNDER_SYSTEMD=yes
  # Distribution not on 0.0.0.0; and idle schedulers sleep: on a shared machine their spinning takes the others' time.
  export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none'
  ulimit -Sn "$(($(ulimit -Hn) < 65536 ? $(ulimit -Hn) : 65536))" 2>/dev/null || true # Erlang takes memory for each possible file
}

start() {
  local dir=$1 port=$2 definitions=${3-$1/definitions.json} run_as next
  ! alive "$dir/pid" || return 0
  [[ -x $binaries/rabbitmq-server ]] || die "RabbitMQ is not installed: ./dev install"
  finish "$dir/epmd.pid" TERM 5
  for next in "$port" $((port + 1)) $((port + 2)) $((port + 10000)); do
    ! listening "$next" >/dev/null || die "Port $next (RabbitMQ) is taken by $(holder "$next")."
  done
  become rabbitmq
  mkdir -p "$dir/home"; chmod 755 "$dir"
  [[ -e $dir/home/.erlang.cookie ]] || { random >"$dir/home/.erlang.cookie"; chmod 400 "$dir/home/.erlang.cookie"; }
  if [[ ! ${3-} && ! -e $dir/uri ]]; then
    local password; password=$(random)
    printf '{"vhosts":[{"name":"/"}],"users":[{"name":"admin","password_hash":"%s","tags":"administrator"}],
      "permissions":[{"user":"admin","vhost":"/","configure":".*","write":".*","read":".*"}]}\n' \
      "$(password_hash "$password")" | write "$definitions"
    printf 'amqp://admin:%s@127.0.0.1:%s\n' "$password" "$port" | write "$dir/uri"
  fi
  # RabbitMQ passes over definitions that it cannot read, without a word, and runs with nobody who may enter.
  jq -e '[.vhosts[].name] as $vhosts | [.users[].name] as $users | all(.permissions[]; IN(.user; $users[]) and IN(.vhost; $vhosts[]))' \
    "$definitions" >/dev/null 2>&1 || die "$definitions is not JSON with vhosts, users and permissions that fit together."
  # From a file, all at once: each call of rabbitmqctl would start another Erlang for seconds.
  cp "$definitions" "$dir/home/definitions.json"
  echo '[rabbitmq_management].' >"$dir/enabled_plugins"
  cat >"$dir/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$port
management.tcp.ip = 127.0.0.1
management.tcp.port = $((port + 10000))
load_definitions = $dir/home/definitions.json
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.console.level = info
END
  mkdir -p "$dir/mnesia"
  ((EUID)) || chown -R rabbitmq: "$dir/home" "$dir/mnesia" "$dir/enabled_plugins" "$dir/rabbitmq.conf"
  open_to rabbitmq "$dir" || die "The user rabbitmq cannot enter $dir: one of the folders above it is closed to others."
  printf '%s\n' "$port" >"$dir/port"
  environment "$dir" "$port"; cd "$dir/home"
  launch "$dir/epmd.pid" "$dir/log" "${run_as[@]}" epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT"
  launch "$dir/pid" "$dir/log" "${run_as[@]}" "$binaries/rabbitmq-server"
  until_ready 90 "$dir/pid" "$dir/log" RabbitMQ listens_to "$port" $((port + 10000))
}

case ${1-} in
  start) start "${@:2}" ;;
  stop) finish "$2/pid" TERM 30; finish "$2/epmd.pid" TERM 5 ;;
  kill) finish "$2/pid" KILL 5; finish "$2/epmd.pid" TERM 5 ;;
  ctl) become rabbitmq; environment "$2" "$(<"$2/port")"; cd "$2/home"; "${run_as[@]}" "$binaries/rabbitmqctl" "${@:3}" ;;
  *) sed -n '2,7s/^# //p' "$0"; exit 2 ;;
esac
