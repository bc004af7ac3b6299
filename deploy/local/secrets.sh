# The passwords and keys of one installation, made once. Sourced by ./dev and by deploy/compose/make-secrets.sh.
services=(identity readings catalog sync)

# password NAME prints the password of that name and makes it the first time.
password() {
  local file=$secrets/passwords/$1
  [[ -s $file ]] || random | write "$file"
  cat "$file"
}

connection() {
  local servers=$postgres
  [[ $servers == Host=* ]] || servers="Host=${postgres%:*};Port=${postgres#*:}"
  printf '%s;Database=%s;Username=%s_%s;Password=%s\n' "$servers" "$1" "$1" "$2" "$(password "$1_$2")"
}

# make_secrets DIR POSTGRES BROKER (both host:port; POSTGRES may also begin with Host=, as Npgsql has it): DIR/<service>
# holds one file for each key, named as the configuration names it; DIR/migrate what only the migration may know, DIR/ops only the operator; DIR/broker.json and DIR/watcher the broker's users.
make_secrets() {
  local secrets=$1 postgres=$2 broker=$3 service
  mkdir -p "$secrets"; chmod 700 "$secrets"
  for service in "${services[@]}"; do
    connection "$service" app | write "$secrets/$service/ConnectionStrings__app"
    connection "$service" relay | write "$secrets/$service/ConnectionStrings__relay"
    connection "$service" migrator | write "$secrets/migrate/ConnectionStrings__${service}_migrator"
    connection "$service" backup | write "$secrets/ops/ConnectionStrings__${service}_backup"
    password "${service}_readonly" >/dev/null
    printf 'amqp://%s:%s@%s/openreadings\n' "$service" "$(password "broker_$service")" "$broker" | write "$secrets/$service/Broker"
  done
  # In every environment of ours the management listens 10000 above AMQP.
  printf 'http://provisioner:%s@%s:%s\n' "$(password broker_provisioner)" "${broker%:*}" $((${broker##*:} + 10000)) | write "$secrets/identity/BrokerManagement"
  printf 'amqp://admin:%s@%s/openreadings\n' "$(password broker_admin)" "$broker" | write "$secrets/ops/Broker"
  [[ -s $secrets/identity/KeyEncryptionKey ]] || head -c 32 /dev/urandom | base64 -w0 | write "$secrets/identity/KeyEncryptionKey"
  password client_sync | write "$secrets/identity/Clients__sync"
  password client_sync | write "$secrets/sync/Identity__ClientSecret"
  printf 'username:watcher\npassword:%s\n' "$(password broker_watcher)" | write "$secrets/watcher"
  broker_definitions | write "$secrets/broker.json"
}

# export_passwords DIR SERVICE: for db/bootstrap.sql, which takes them from the environment.
export_passwords() {
  local secrets=$1
  export SERVICE=$2 DATABASE=$2 MIGRATOR_PASSWORD APP_PASSWORD RELAY_PASSWORD BACKUP_PASSWORD READONLY_PASSWORD
  MIGRATOR_PASSWORD=$(password "$2_migrator"); APP_PASSWORD=$(password "$2_app"); RELAY_PASSWORD=$(password "$2_relay")
  BACKUP_PASSWORD=$(password "$2_backup"); READONLY_PASSWORD=$(password "$2_readonly")
}

# Each service may touch what bears its name and listen to everybody's events; who watches has queues of their own and no more.
# Applications of others are in a virtual host of their own: the provisioner makes their queues and users there and reads none of it, identity fills
# the queues. Only an administrator may make users: what that means is in docs/security.md.
broker_definitions() {
  local name users rights
  users=$(broker_user admin administrator),$(broker_user provisioner administrator),$(broker_user watcher '')
  rights=$(broker_rights admin openreadings '.*' '.*' '.*'),$(broker_rights watcher openreadings '^watch[.]' '^watch[.]' '^(watch[.]|[a-z]+[.]events$)')
  for name in "${services[@]}"; do
    users+=,$(broker_user "$name" '')
    rights+=,$(broker_rights "$name" openreadings "^$name[.]" "^($name[.]|amq[.]default\$)" "^($name[.]|[a-z]+[.]events\$)")
  done
  rights+=,$(broker_rights provisioner integrators '^app[.]' '^$' '^$'),$(broker_rights identity integrators '^$' '^amq[.]default$' '^$')
  printf '{"vhosts":[{"name":"openreadings"},{"name":"integrators"}],"users":[%s],"permissions":[%s],"policies":[%s]}\n' "$users" "$rights" \
    '{"vhost":"openreadings","name":"watch","pattern":"^watch[.]","apply-to":"queues","priority":0,
      "definition":{"expires":3600000,"max-length":100000}}'
}
broker_user() { printf '{"name":"%s","password_hash":"%s","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"%s"}' \
  "$1" "$(password_hash "$(password "broker_$1")")" "$2"; }
broker_rights() { printf '{"user":"%s","vhost":"%s","configure":"%s","write":"%s","read":"%s"}' "$@"; }

# RabbitMQ's form of a password: base64 of a salt and sha256(salt, password). The salt is made of the (random) password, so
# that the same password gives the same file.
password_hash() {
  local salt sum
  salt=$(sha256sum <<<"salt of $1" | cut -c1-8)
  sum=$({ unhex "$salt"; printf '%s' "$1"; } | sha256sum | cut -c1-64)
  unhex "$salt$sum" | base64 -w0
}
unhex() { printf "$(sed 's/../\\x&/g' <<<"$1")"; }
