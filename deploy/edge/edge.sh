#!/bin/sh
# Puts the services' addresses into the edge's template beside it and becomes nginx. In containers; ./dev has its own.
#   IDENTITY, READINGS, CATALOG, SYNC   host:port    TRUSTED_PROXIES   networks whose X-Forwarded-For is believed: an ingress
set -eu
EDGE_LISTEN=${EDGE_LISTEN:-8080} EDGE_STATE=${EDGE_STATE:-/tmp}
IDENTITY=${IDENTITY:-identity:8080} READINGS=${READINGS:-readings:8080} CATALOG=${CATALOG:-catalog:8080} SYNC=${SYNC:-sync:8080}
rm -f "$EDGE_STATE/trusted.conf"
if [ "${TRUSTED_PROXIES:-}" ]; then
  { printf 'set_real_ip_from %s;\n' $TRUSTED_PROXIES; echo 'real_ip_header X-Forwarded-For; real_ip_recursive on;'; } >"$EDGE_STATE/trusted.conf"
fi
values=
for name in EDGE_LISTEN EDGE_STATE IDENTITY READINGS CATALOG SYNC; do eval "values=\"\$values;s|\\\${$name}|\$$name|g\""; done
sed "$values" "$(dirname "$0")/nginx.conf" >"$EDGE_STATE/nginx.conf"
exec nginx -e stderr -c "$EDGE_STATE/nginx.conf" -g 'daemon off;'
