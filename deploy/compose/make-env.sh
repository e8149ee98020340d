#!/usr/bin/env bash
# Creates the secrets that docker-compose.yml needs, once: `.env` at the root of the repository (mode 0600), and in
# deploy/compose/.secrets the signing keys of receipts and of the development issuer, the broker's users, and those of the
# object store. Existing ones are kept; an `.env` of an older version gets those it lacks.
set -euo pipefail
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
env_file=${1:-$root/.env}
secrets=${2:-$root/deploy/compose/.secrets}
command -v openssl >/dev/null || { echo "openssl is needed to make the secrets: apt-get install openssl" >&2; exit 1; }

broker_users=(ATELIER GATEWAY SESSION BILLING RENDER)
names=(
  RABBITMQ_PASSWORD RABBITMQ_{GATEWAY,SESSION,BILLING,RENDER}_PASSWORD ATELIER_INSTALLATION
  ATELIER_ADMIN_TOKEN ATELIER_SERVICE_TOKEN ATELIER_KEY_PEPPER ATELIER_S3_SECRET_KEY ATELIER_S3_ACCESS_KEY
  ATELIER_S3_UPLOAD_ACCESS_KEY ATELIER_S3_UPLOAD_SECRET_KEY
  ATELIER_S3_ADMIN_ACCESS_KEY ATELIER_S3_ADMIN_SECRET_KEY OBJECTSTORE_PARTS_KEY
  POSTGRES_PASSWORD GRAFANA_PASSWORD
  {GATEWAY,SESSION,BILLING,RENDER}_{OWNER,APP}_PASSWORD
)

secret() { openssl rand -hex 32; }  # hexadecimal, because most of them become part of a URL

value_of() { sed -n "s/^$1=//p" "$env_file.new"; }

# RabbitMQ's form: base64(salt, sha256(salt, password)), the salt being four bytes.
broker_hash() {
  local salt
  salt=$(mktemp)
  openssl rand -out "$salt" 4
  { cat "$salt"; { cat "$salt"; printf %s "$1"; } | openssl dgst -sha256 -binary; } | openssl base64 -A
  rm -f "$salt"
}

# What outputs are signed with (C2PA): a signer and its authority, whose key is deleted once it has signed.
make_provenance() {
  local folder days=3650 name="/O=Atelier/CN=Provenance"
  folder=$(mktemp -d)
  openssl req -x509 -newkey ed25519 -nodes -days "$days" -subj "$name authority of this installation" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$folder/authority.key" -out "$folder/authority.pem" 2>/dev/null
  openssl req -x509 -newkey ed25519 -nodes -days "$days" -subj "$name signer of this installation" \
    -CA "$folder/authority.pem" -CAkey "$folder/authority.key" \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=critical,emailProtection \
    -keyout "$folder/signer.key" -out "$folder/signer.pem" 2>/dev/null
  cat "$folder/signer.pem" "$folder/authority.pem" "$folder/signer.key" >"$secrets/render/provenance.pem"
  rm -rf "$folder"
}

write_definitions() {
  local user password filled
  filled=$(<"$root/deploy/compose/rabbitmq/definitions.json")
  for user in "${broker_users[@]}"; do
    password=RABBITMQ_PASSWORD
    [[ $user == ATELIER ]] || password=RABBITMQ_${user}_PASSWORD
    filled=${filled//"@${user}_HASH@"/$(broker_hash "$(value_of "$password")")}
  done
  rm -f "$secrets/rabbitmq-definitions.json"  # it is read-only
  printf '%s\n' "$filled" >"$secrets/rabbitmq-definitions.json"
}

# Who may do what at the object store: its administrator, the services in their bucket, and the identity that signs upload
# URLs, which can only put uploads.
write_identities() {
  local bucket
  bucket=$(value_of ATELIER_S3_BUCKET)
  bucket=${bucket:-atelier}
  rm -f "$secrets/objectstore/identities.json"  # it is read-only
  cat >"$secrets/objectstore/identities.json" <<JSON
{
  "identities": [
    {"name": "admin", "actions": ["Admin"], "credentials": [$(credentials ATELIER_S3_ADMIN)]},
    {"name": "services", "policyNames": ["use-objects"], "credentials": [$(credentials ATELIER_S3)]},
    {"name": "uploads", "policyNames": ["put-uploads"], "credentials": [$(credentials ATELIER_S3_UPLOAD)]}
  ],
  "policies": [
    {"name": "use-objects", "content": "$(policy "$(statement "$bucket" '' GetBucketLocation ListBucket)" \
      "$(statement "$bucket" '/*' GetObject PutObject DeleteObject)")"},
    {"name": "put-uploads", "content": "$(policy "$(statement "$bucket" \
      '/stores/*/uploads/* /users/*/uploads/* /workspaces/*/uploads/*' PutObject)")"}
  ]
}
JSON
}

credentials() { printf '{"accessKey": "%s", "secretKey": "%s"}' "$(value_of "$1_ACCESS_KEY")" "$(value_of "$1_SECRET_KEY")"; }

# A policy is a string inside the file, so its quotation marks are escaped.
policy() {
  local IFS=,
  printf '{"Version":"2012-10-17","Statement":[%s]}' "$*" | sed 's/"/\\"/g'
}

# statement BUCKET SUFFIXES ACTION...: what is allowed with the bucket (no suffix) or with objects in it.
statement() {
  local bucket=$1 suffix actions=() resources=()
  set -f
  for suffix in ${2:-''}; do resources+=("\"arn:aws:s3:::$bucket$suffix\""); done
  [[ -n $2 ]] || resources=("\"arn:aws:s3:::$bucket\"")
  set +f
  shift 2
  for action in "$@"; do actions+=("\"s3:$action\""); done
  local IFS=,
  printf '{"Effect":"Allow","Action":[%s],"Resource":[%s]}' "${actions[*]}" "${resources[*]}"
}

if [[ -e $env_file ]]; then
  cp "$env_file" "$env_file.new"
else
  cat >"$env_file.new" <<'NEW'
# Secrets of the local compose stack, made by deploy/compose/make-env.sh. Not for the repository.
# A private stack to try things on: users' tokens by the development issuer, simulated renders and webhooks to this machine
# can be switched on. Without this line the stack runs with production settings.
ATELIER_ENVIRONMENT=local
NEW
fi
made=()
for name in "${names[@]}"; do
  if [[ -z $(value_of "$name") ]]; then
    case $name in
      ATELIER_S3_ACCESS_KEY) value=atelier-$(openssl rand -hex 6) ;;
      ATELIER_S3_ADMIN_ACCESS_KEY) value=atelier-admin-$(openssl rand -hex 6) ;;
      ATELIER_S3_UPLOAD_ACCESS_KEY) value=atelier-uploads-$(openssl rand -hex 6) ;;
      *) value=$(secret) ;;
    esac
    echo "$name=$value" >>"$env_file.new"
    made+=("$name")
  fi
done
if [[ ${#made[@]} == 0 && -e $secrets/objectstore/identities.json ]]; then
  rm -f "$env_file.new"
  echo "$env_file has everything already, and so have databases made with its passwords: nothing was changed." \
    "To begin anew: docker compose down --volumes, delete it, and run this again." >&2
  exit 1
fi

# The containers run as other users and must read these: the folder keeps other users out, not the files.
mkdir -p "$secrets/render" "$secrets/objectstore"
chmod 0755 "$secrets/render" "$secrets/objectstore"  # mounted as folders; the folder around them keeps other users out
write_definitions
write_identities
if [[ ! -e $secrets/objectstore/parts.pem ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=objectstore" \
    -addext subjectAltName=DNS:objectstore \
    -keyout "$secrets/objectstore/parts-key.pem" -out "$secrets/objectstore/parts.pem" 2>/dev/null
fi
if [[ ! -e $env_file || ! -e $secrets/dev-issuer.pem ]]; then
  rm -f "$secrets/dev-issuer.pem"  # left read-only by an interrupted run
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$secrets/dev-issuer.pem"
fi
if [[ ! -e $secrets/signing-keys.pem ]]; then  # a lost key is replaced by hand: docs/design/receipts.md
  openssl genpkey -algorithm ed25519 -out "$secrets/signing-keys.pem"
fi
if [[ ! -e $secrets/render/provenance.pem ]]; then
  make_provenance
fi
chmod 0444 "$secrets/rabbitmq-definitions.json" "$secrets/dev-issuer.pem" "$secrets/signing-keys.pem" "$secrets/render/provenance.pem" \
  "$secrets"/objectstore/*

# Last, and in one step: a half-written file would be kept.
mv "$env_file.new" "$env_file"
echo "Wrote ${#made[@]} secrets to $env_file, and $secrets. Next: docker compose up --build --wait"
