# The walk that ./dev up prints and ./dev demo does. Sourced by ./dev. One text for both: blocks between empty lines, each
# of them a comment and what to type.
walk_text() {
  sed "s|EDGE|$edge|; s|PORT|${port[broker]}|" <<'END'
# events, as any AMQP client receives them; this one goes on in the background
amqp-consume --server=127.0.0.1 --port=PORT --vhost=openreadings --authfile=.dev/secrets/watcher \
  -q watch.walk$RANDOM -x -e readings.events -r readings.recorded.v1 -- jq -c . >.dev/events.log & watcher=$!

# sign up
edge=EDGE email=ada$RANDOM@example.org password=Correct-Horse-7
curl -s "$edge/identity/v1/accounts" --json '{"email": "'$email'", "password": "'$password'", "time_zone": "Europe/Berlin"}' | jq .

# sign in
token=$(curl -s "$edge/identity/v1/logins" --json '{"email": "'$email'", "password": "'$password'"}' | jq -r .access_token)
auth="Authorization: Bearer $token"; curl -s -H "$auth" "$edge/identity/v1/me" | jq .

# bring a file in: five days from a made-up watch, one of them with 25 hours
import=$(curl -s -H "$auth" -o .dev/import.json -w '%header{location}' --data-binary @deploy/local/sample/export.xml \
  "$edge/sync/v1/imports?format=apple-health"); echo "$import"

# wait until it is in, and see the receipt
finished() {
  while curl -s -H "$auth" "$edge$1" >.dev/import.json && jq -e '.state | test("queued|running")' .dev/import.json >/dev/null
  do sleep 0.2; done; jq '{state, error} + (.receipt // {} | {stored, unchanged, replaced, rejected, types})' .dev/import.json
}
finished "$import"

# the same file again stores nothing twice
finished "$(curl -s -H "$auth" -o .dev/import.json -w '%header{location}' --data-binary @deploy/local/sample/export.xml \
  "$edge/sync/v1/imports?format=apple-health")" | jq -c .

# chart-ready days, in your own time zone
curl -s -H "$auth" "$edge/readings/v1/series/buckets?type=heart_rate&bucket=1d&time_zone=Europe/Berlin" \
  --url-query from=2026-10-23T00:00:00+02:00 --url-query to=2026-10-28T00:00:00+01:00 \
  | jq -c '.buckets[] | [.from, .count, .min, .avg, .max]'

# what an electricity meter showed, written down with semicolons, decimal commas and the time of day in a column of its own
meter=$(curl -s -H "$auth" "$edge/readings/v1/sources" --json '{"name": "Meter", "kind": "meter", "time_zone": "Europe/Berlin",
  "metrics": {"reading": {"unit": "kWh"}}}' | jq -r .source_id)
mapping='{"delimiter": ";", "decimal": ",", "time_zone": "Europe/Berlin",
  "time": {"date": "Datum", "time": "Uhrzeit", "format": "dd.MM.yyyy HH:mm"},
  "metrics": [{"column": "Zählerstand (kWh)", "metric": "reading", "unit": "kWh", "counter": true}]}'
finished "$(curl -s -H "$auth" -o .dev/import.json -w '%header{location}' --data-binary @deploy/local/sample/meter.csv \
  "$edge/sync/v1/imports?format=csv&source_id=$meter" --url-query "mapping=$mapping")" | jq -c .

# and what that makes in a week
curl -s -H "$auth" "$edge/readings/v1/sources/$meter/buckets?metric=reading&bucket=1w" \
  --url-query from=2026-10-05T00:00:00+02:00 --url-query to=2026-10-26T00:00:00+01:00 | jq -c '.buckets[] | [.from, .count, .first, .last]'

# what arrived at the AMQP client meanwhile
sleep 1; jq -c '[.type, .data.metric, .data.count]' .dev/events.log; kill $watcher

# and forget it all again, everywhere
curl -s -X DELETE -H "$auth" "$edge/identity/v1/me" --json '{"password": "'$password'"}' -w 'HTTP %{http_code}\n'
END
}

walk() { say "" "A walk, to copy and paste here (or ./dev demo, which does just this):" ""; walk_text | sed 's/^/    /'; links; }
links() {
  say "" "Interfaces: $edge/identity/docs · $edge/readings/docs · $edge/catalog/docs · $edge/sync/docs" \
    "RabbitMQ: http://127.0.0.1:$((port[broker] + 10000)) (admin, password in .dev/secrets/passwords/broker_admin) · PostgreSQL: ./dev psql readings · Mails: .dev/mail"
}

# What has to come out of each block of the walk, in its order, as a pattern.
expected=(
  ''
  '"account_id": "[0-9a-f-]{36}"'
  '"email": "ada[0-9]+@example.org"'
  '^/sync/v1/imports/[0-9a-f-]{36}$'
  '"state": "completed".*"stored": 374,.*"rejected": 0,.*"heart_rate": 242,'
  '"state":"completed","error":null,"stored":0,"unchanged":374,"replaced":0,"rejected":0'
  '23T.*,48,.*24T.*,48,.*25T.*,50,.*26T.*,48,.*27T.*,48,'
  '"state":"completed","error":null,"stored":30,"unchanged":0,"replaced":0,"rejected":0'
  '2026-10-05.*,7,18266.2,.*2026-10-12.*,7,18331,.*2026-10-19.*,7,18393.4,'
  '"readings.recorded.v1","heart_rate",242.*"readings.recorded.v1","reading",30'
  'HTTP 204'
)

demo() {
  local blocks block said n=0 failed=0
  running edge || die "The platform is not running: ./dev up"
  mapfile -d '' -t blocks < <(walk_text | awk 'BEGIN { RS = ""; ORS = "\0" } { print }')
  for block in "${blocks[@]}"; do
    sed -E '1s/^# (.*)/\n── \1/; 2,$s/^/   /' <<<"$block"
    # In this shell, as what a block sets is needed by the next; so what it says goes by a file.
    set +e; eval "$block" >.dev/said 2>&1; set -e
    said=$(<.dev/said); [[ -z $said ]] || sed 's/^/  │ /' <<<"$said"
    if [[ ! ${said//$'\n'/ } =~ ${expected[n]} ]]; then
      warn "That is not what was expected: ${expected[n]}"; failed=1; break
    fi
    n=$((n + 1))
  done
  [[ -z ${watcher-} ]] || kill "$watcher" 2>/dev/null || true
  rm -f .dev/said .dev/import.json .dev/events.log
  ((!failed)) || exit 1
  say "" "All $n steps went as they should."
}
