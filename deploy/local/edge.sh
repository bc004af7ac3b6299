#!/usr/bin/env bash
# A private nginx on loopback with the edge's configuration, wholly inside one folder.
#   edge.sh start DIR PORT IDENTITY READINGS CATALOG SYNC    each host:port; started again where the configuration is new
#   edge.sh stop DIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
template=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../edge/nginx.conf

start() {
  local dir=$1 port=$2 text name run_as
  declare -A value=([EDGE_LISTEN]=127.0.0.1:$port [EDGE_STATE]=$dir [IDENTITY]=$3 [READINGS]=$4 [CATALOG]=$5 [SYNC]=$6)
  type nginx >/dev/null 2>&1 || die "nginx is not installed: ./dev install"
  text=$(<"$template")
  for name in "${!value[@]}"; do text=${text//"\${$name}"/${value[$name]}}; done
  write "$dir/nginx.conf" 644 <<<"$text"
  if alive "$dir/pid" && [[ ! $dir/nginx.conf -nt $dir/pid ]]; then return; fi
  finish "$dir/pid" QUIT 10
  ! listening "$port" >/dev/null || die "Port $port (nginx) is taken by $(holder "$port")."
  become www-data; ((EUID)) || chown www-data: "$dir"
  open_to www-data "$dir" || die "The user www-data cannot enter $dir: one of the folders above it is closed to others."
  launch "$dir/pid" "$dir/log" "${run_as[@]}" nginx -e stderr -c "$dir/nginx.conf" -g 'daemon off;'
  until_ready 20 "$dir/pid" "$dir/log" nginx listening "$port"
}

case ${1-} in
  start) start "${@:2}" ;;
  stop) finish "$2/pid" TERM 10 ;;
  *) sed -n '2,4s/^# //p' "$0"; exit 2 ;;
esac
