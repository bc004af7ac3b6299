#!/usr/bin/env bash
# Prints the Secrets of one installation for kubectl; the values are made once and kept in a folder of yours, outside of the checkout:
#   make-secrets.sh FOLDER POSTGRES BROKER | kubectl apply -n openreadings -f -
#   POSTGRES, BROKER   host:port as the pods see them: postgresql:5432 rabbitmq:5672 (POSTGRES also Host=a,b;SSL Mode=VerifyFull;…)
# Guard the folder as you guard the databases: who has it reads everything. Without backup.key no backup can be read.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
(($# == 3)) || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
umask 077; folder=$(readlink -m "$1")
case $folder/ in "$here"/*) [[ $folder/ == "$here"/.dev/* ]] || { echo "$folder is in the checkout: secrets would end in a commit." >&2; exit 2; } ;; esac
cd "$here"; . deploy/local/common.sh; . deploy/local/secrets.sh
make_secrets "$folder" "$2" "$3"
(secrets=$folder; password postgres >/dev/null)
[[ -s $folder/ops/backup.key ]] || head -c 32 /dev/urandom | base64 | write "$folder/ops/backup.key"
server=$2; [[ $server == Host=* ]] || server="Host=${2%:*};Port=${2#*:}"
printf '%s;Username=postgres;Password=%s;Database=postgres\n' "$server" "$(<"$folder/passwords/postgres")" | write "$folder/ops/ConnectionStrings__admin"

# secret NAME kubectl's options: no value is ever an argument.
secret() { echo ---; kubectl create secret generic "$1" --dry-run=client -o yaml "${@:2}"; }
roles=(--from-file=postgres_password="$folder/passwords/postgres")
for service in "${services[@]}"; do
  secret "$service" --from-file="$folder/$service"
  secret "$service-migrate" --from-file="$folder/migrate/ConnectionStrings__${service}_migrator"
  roles+=(--from-file="$service.migrator=$folder/migrate/ConnectionStrings__${service}_migrator" --from-file="$service.backup=$folder/ops/ConnectionStrings__${service}_backup")
  for role in app relay; do roles+=(--from-file="$service.$role=$folder/$service/ConnectionStrings__$role"); done
done
secret ops --from-file="$folder/ops"
secret bootstrap "${roles[@]}"
secret rabbitmq --from-file="$folder/broker.json"
printf postgres >"$folder/superuser"
secret postgresql-superuser --type=kubernetes.io/basic-auth --from-file=username="$folder/superuser" --from-file=password="$folder/passwords/postgres"
