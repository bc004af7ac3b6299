#!/usr/bin/env bash
# Makes the secret files of docker-compose.yml in deploy/compose/secrets (or the folder given), once: what is there stays.
# Compose shows such files in a container with the owner and mode they have here, and the services are not root there: the
# files can be read by all, and their folder only by you.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/local/common.sh
. deploy/local/secrets.sh
folder=${1:-deploy/compose/secrets}
make_secrets "$folder" postgres:5432 broker:5672
(secrets=$folder; password postgres >/dev/null)
find "$folder" -type f -exec chmod 444 {} +
find "$folder" -mindepth 1 -type d -exec chmod 755 {} +
say "The secrets are in $folder. Next: docker compose up --build"
