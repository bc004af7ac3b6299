# What ./dev and the scripts beside this file share. Sourced, never run.
set -euo pipefail

say() { printf '%s\n' "$@"; }
warn() { printf 'dev: %s\n' "$*" >&2; }
die() { warn "$@"; exit 1; }

# PostgreSQL refuses to run as root and the others have no need to; an ordinary user runs them as themselves.
# become ACCOUNT sets the words that go before a command.
become() { run_as=(); ((EUID)) || run_as=(setpriv "--reuid=$1" "--regid=$1" --init-groups); }

random() { head -c "${1:-24}" /dev/urandom | base64 -w0 | tr '+/' '-_' | tr -d =; }

# write FILE [MODE]: the file gets standard input in one step, and only when that differs (so a time stamp means a change).
write() {
  mkdir -p "${1%/*}"
  (umask 077; cat >"$1.new"); chmod "${2:-600}" "$1.new"
  if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# A pid may have passed to another process since it was written down: with the moment the process began it is unmistakable.
began() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && printf '%s' "${stat[19]}"
}
remember() { printf '%s %s\n' "$2" "$(began "$2")" >"$1"; }
pid_of() {
  local pid start
  read -r pid start 2>/dev/null <"$1" || return 1
  [[ $(began "$pid") == "$start" ]] && printf '%s' "$pid"
}
alive() { pid_of "$1" >/dev/null; }

# launch PIDFILE LOG COMMAND...: in the background, detached from this terminal and its locks.
launch() {
  local file=$1 log=$2; shift 2
  mkdir -p "${file%/*}" "${log%/*}"
  setsid "$@" >>"$log" 2>&1 </dev/null 8>&- 9>&- &
  remember "$file" $!
}

# finish PIDFILE SIGNAL SECONDS: asks, waits, and then does not ask again.
finish() {
  local pid turn
  if pid=$(pid_of "$1"); then
    kill -s "$2" "$pid" 2>/dev/null || true
    for ((turn = 0; turn < $3 * 10; turn++)); do alive "$1" || break; sleep 0.1; done
    ! alive "$1" || kill -s KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

# until_ready SECONDS PIDFILE LOG WHAT COMMAND...: waits for the command to succeed; a process that ended is not waited for.
until_ready() {
  local end=$((SECONDS + $1)) pid=$2 log=$3 what=$4; shift 4
  until "$@" >/dev/null 2>&1; do
    if ! alive "$pid" || ((SECONDS > end)); then
      alive "$pid" && warn "$what does not become ready. The end of $log:" || warn "$what ended. The end of $log:"
      tail -n 15 "$log" | sed 's/^/    /' >&2
      return 1
    fi
    sleep 0.1
  done
}

# listening PORT prints the socket that listens there. It reads /proc, as a bare machine has neither ss nor lsof.
listening() {
  awk -v port="$(printf ':%04X$' "$1")" '$4 == "0A" && $2 ~ port { print $10; found = 1; exit } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
holder() {
  local fd pid
  fd=$(find /proc/[0-9]*/fd -lname "socket:\[$(listening "$1")\]" -print -quit 2>/dev/null || true)
  pid=${fd#/proc/}; pid=${pid%%/*}
  if [[ $pid ]]; then printf 'process %s: %s' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-100)"
  else printf "another user's process"; fi
}

listens_to() { local port; for port in "$@"; do listening "$port" >/dev/null || return 1; done; }

# free_port OFFSET... prints a port that is free, as are those at the offsets from it; all below those given to clients.
free_port() {
  local port turn next
  for ((turn = 0; turn < 100; turn++)); do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 12000))
    for next in 0 "$@"; do ! listening $((port + next)) >/dev/null || continue 2; done
    printf '%s' "$port"; return
  done
  die "There is no free port between 10000 and 22000."
}

# open_to ACCOUNT DIR: can the account of a server get there at all? (A checkout under /root is closed to them.)
open_to() { local run_as; become "$1"; "${run_as[@]}" test -x "$2"; }
