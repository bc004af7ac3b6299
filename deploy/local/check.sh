# ./dev check: what needs no running program to be seen as wrong. Sourced by ./dev.
check() {
  local bad=0 file
  for file in dev .ci/run deploy/local/*.sh deploy/compose/*.sh; do bash -n "$file" || bad=1; done
  if type shellcheck >/dev/null 2>&1; then shellcheck -s bash -S error dev deploy/local/*.sh deploy/compose/*.sh || bad=1; fi
  say "format"
  dotnet restore Services.sln -v quiet -nologo
  dotnet format Services.sln --no-restore --verify-no-changes || bad=1
  say "pictures of the schemas"
  (schema check) || bad=1
  say "docker-compose.yml"
  if type docker-compose >/dev/null 2>&1; then compose=(docker-compose); else compose=(docker compose); fi
  if "${compose[@]}" version >/dev/null 2>&1; then
    deploy/compose/make-secrets.sh >/dev/null; "${compose[@]}" -f docker-compose.yml config -q || bad=1
  fi
  (run_tests Platform) || bad=1
  ((bad == 0)) && say "All is well."
}
