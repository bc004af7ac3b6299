#!/bin/sh
# Puts the containers' addresses into the edge's template and becomes nginx.
set -eu
export EDGE_LISTEN=8080 EDGE_STATE=/tmp IDENTITY=identity:8080 READINGS=readings:8080 CATALOG=catalog:8080 SYNC=sync:8080
envsubst '$EDGE_LISTEN $EDGE_STATE $IDENTITY $READINGS $CATALOG $SYNC' </edge.conf >/tmp/nginx.conf
exec nginx -e stderr -c /tmp/nginx.conf -g 'daemon off;'
