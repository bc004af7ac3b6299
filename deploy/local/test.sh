# ./dev test: every test project against throw-away servers of its own. Sourced by ./dev.

# test [WORD ...] [-OPTION ...]: words choose projects by name; options, from the first dash on, go to xunit's runner.
run_tests() {
  local words=() projects=() results project left=0
  while (($#)) && [[ $1 != -* ]]; do words+=("$1"); shift; done
  install_packages
  for project in tests/*.Tests/*.csproj; do
    [[ -e $project ]] || continue
    ((${#words[@]} == 0)) || grep -qiE "$(IFS='|'; echo "${words[*]}")" <<<"$project" || continue
    grep -qF "${project##*/}" Services.sln || die "$project is not in Services.sln: dotnet sln add $project"
    projects+=("$(basename "$project" .csproj)")
  done
  ((${#projects[@]})) || die "No test project has a name like: ${words[*]-}"

  [[ " ${projects[*]} " != *" Platform.Tests "* ]] || install_kubectl
  [[ " ${projects[*]} " != *" Journeys.Tests "* && " ${projects[*]} " != *" Identity.Tests "* ]] || install_clients
  [[ " ${projects[*]} " != *" Identity.Tests "* ]] || install_mail_server
  temporary=$(mktemp -d); chmod 755 "$temporary"; results=$temporary/results; mkdir "$results"
  trap 'stop_throwaway "$temporary"' EXIT
  trap 'exit 130' INT TERM HUP
  start_throwaway "$temporary" &
  build Services.sln
  wait $! || die "The servers for the tests did not start."
  export OPENREADINGS_TEST_POSTGRES OPENREADINGS_TEST_RABBITMQ
  OPENREADINGS_TEST_POSTGRES=$(<"$temporary/postgres/connection")
  OPENREADINGS_TEST_RABBITMQ=$(<"$temporary/broker/uri")
  export DOTNET_TieredPGO=0                          # looking for what is hot costs more than it gains in a process of a few minutes
  [[ ! -d ../shared ]] || export OPENREADINGS_SHARED=${OPENREADINGS_SHARED:-$PWD/../shared}

  for project in "${projects[@]}"; do
    ((left < $(nproc))) || { wait -n || true; left=$((left - 1)); }
    test_project "$project" "$results" "$@" &
    left=$((left + 1))
  done
  wait
  sum_up "$results" $((${#words[@]} + $#)) "${projects[@]}"
}

# One project; what it says comes in one piece when it is through, as several run at a time. Half an hour is a hang.
test_project() {
  local project=$1 results=$2 from=$SECONDS; shift 2
  launch "$results/$project.pid" "$results/$project.log" timeout 1800 \
    dotnet "tests/$project/bin/Release/net10.0/$project.dll" -noLogo -noColor -xml "$results/$project.xml" "$@"
  wait $! || true
  # The services under test write their own lines between those of the tests: they stay in the file.
  say "── $project ($((SECONDS - from)) s)" \
    "$(grep -vE '^ *$|^  (Discover|Starting|Finished)|^[0-9-]{10}T[0-9:.]+Z |^=== TEST|^Ok, passed' "$results/$project.log")"
}

# sum_up RESULTS NARROWED PROJECT...: the totals over all projects, and whether they will do.
sum_up() {
  local results=$1 narrowed=$2 project line passed=0 failed=0 skipped=0 ran=0 wrong=() expected
  for project in "${@:3}"; do
    line=$(grep -om1 '<assembly [^>]*>' "$results/$project.xml" 2>/dev/null) || { wrong+=("$project ended without a result."); continue; }
    count() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$line"; }
    passed=$((passed + $(count passed))); skipped=$((skipped + $(count skipped)))
    failed=$((failed + $(count failed) + $(count errors)))
    ran=$((ran + $(count passed) + $(count failed) + $(count skipped)))
    (($(count total) > 0 || narrowed)) || wrong+=("$project ran no test.")
  done
  expected=$(<tests/expected)
  ((ran > 0)) || wrong+=("No test ran.")
  ((narrowed || ran >= expected)) || wrong+=("Expected at least $expected tests (tests/expected).")
  ((narrowed || ran <= expected)) || say "tests/expected may grow to $ran."
  for line in "${wrong[@]}"; do say "error: $line"; done
  ((failed + ${#wrong[@]} == 0)) || say "All that was said is in .dev/tests/*.log."
  say "$passed passed, $((failed + ${#wrong[@]})) failed, $skipped skipped"
  ((failed + ${#wrong[@]} == 0))
}

# A port that is free now may be gone in a moment: then another one.
start_throwaway() {
  local dir=$1 turn
  for turn in 1 2 3; do
    if deploy/local/postgres.sh start "$dir/postgres" "$(free_port)" throwaway; then break; fi
    ((turn < 3)) || return 1
  done &
  for turn in 1 2 3; do
    if deploy/local/broker.sh start "$dir/broker" "$(free_port 1 2 10000)"; then break; fi
    deploy/local/broker.sh kill "$dir/broker"; rm -rf "$dir/broker"
    ((turn < 3)) || return 1
  done
  wait $!
}
stop_throwaway() {
  local pid
  trap - EXIT INT TERM HUP
  for pid in "$1"/results/*.pid; do finish "$pid" TERM 10; done
  wait
  deploy/local/broker.sh kill "$1/broker"
  deploy/local/postgres.sh kill "$1/postgres"
  rm -rf .dev/tests; mv "$1/results" .dev/tests 2>/dev/null || true
  rm -rf "$1"
}

# test_servers [stop]: the same servers for tests out of an editor; prints the settings for it.
test_servers() {
  local dir=$servers/test
  install_packages; make_room
  case ${1-start} in
    start)
      alive "$dir/broker/pid" && alive "$dir/postgres/pid" || start_throwaway "$dir"
      say "export OPENREADINGS_TEST_POSTGRES='$(<"$dir/postgres/connection")'" \
        "export OPENREADINGS_TEST_RABBITMQ='$(<"$dir/broker/uri")'" ;;
    stop) deploy/local/broker.sh kill "$dir/broker"; deploy/local/postgres.sh kill "$dir/postgres"; rm -rf "$dir" ;;
    *) die "./dev servers [stop]" ;;
  esac
}
