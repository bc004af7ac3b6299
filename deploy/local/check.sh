# ./dev check: what needs no running program to be seen as wrong. Sourced by ./dev.
check() {
  local bad=0 file compose
  install_packages; mkdir -p .dev
  for file in dev .ci/run deploy/local/*.sh deploy/compose/*.sh; do bash -n "$file" || bad=1; done
  if type shellcheck >/dev/null 2>&1; then shellcheck -s bash -S error dev deploy/local/*.sh deploy/compose/*.sh || bad=1; fi
  say "format"
  dotnet restore Services.sln -v quiet -nologo
  if ! dotnet format Services.sln --no-restore --verify-no-changes >.dev/format.log 2>&1; then
    bad=1
    sed -E "s|^$PWD/||; s|\(.*||" .dev/format.log | sort | uniq -c | sed 's/^/  /'
    warn "dotnet format Services.sln mends it; .dev/format.log says what."
  fi
  say "pictures of the schemas"
  (schema check) || bad=1
  say "lint of the scripts"
  migrate lint --service all || bad=1
  say "docker-compose.yml"
  if type docker-compose >/dev/null 2>&1; then compose=(docker-compose); else compose=(docker compose); fi
  if "${compose[@]}" version >/dev/null 2>&1; then
    deploy/compose/make-secrets.sh >/dev/null; "${compose[@]}" -f docker-compose.yml config -q || bad=1
  fi
  (run_tests Platform) || bad=1
  if ((bad)); then die "Not all is well."; fi
  say "All is well."
}
