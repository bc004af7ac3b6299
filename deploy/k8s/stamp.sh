#!/usr/bin/env bash
# Writes a release into the manifests: the tag of the images, and for each migration Job the digest of its scripts and the tag.
#   stamp.sh [TAG]       TAG: that of today if unset. A Job cannot be changed, so another release must be another name.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
tag=${1:-$(sed -n 's/.*openreadings\/migrate, newTag: \(.*\)}/\1/p' release/kustomization.yaml)}
[[ $tag =~ ^[a-z0-9][a-z0-9.-]{0,30}$ ]] || { echo "A tag is small letters, digits, dots and dashes, at most 31: $tag" >&2; exit 2; }
sed -i -E "s|(openreadings/[a-z]+, newTag: )[^}]*|\1$tag|" release/kustomization.yaml
for job in migrate/*/kustomization.yaml bootstrap/kustomization.yaml; do
  service=$(basename "$(dirname "$job")") digest=
  case $service in
    job) continue ;;
    bootstrap) ;;
    *) digest=-$(../../dev migrate manifest --service "$service" 2>/dev/null | tail -n 1 | cut -c1-12) ;;
  esac
  sed -i "s|^nameSuffix: .*|nameSuffix: $digest-${tag//./-}|" "$job"
done
