#!/usr/bin/env bash
# Creates the secrets that docker-compose.yml needs, once: `.env` at the root of the repository (mode 0600), and in
# deploy/compose/.secrets the signing keys of receipts and of the development issuer, and the broker's users. Existing ones are kept; an
# `.env` of an older version gets those it lacks.
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
  POSTGRES_PASSWORD MINIO_ROOT_PASSWORD GRAFANA_PASSWORD
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
      ATELIER_S3_UPLOAD_ACCESS_KEY) value=atelier-uploads-$(openssl rand -hex 6) ;;
      *) value=$(secret) ;;
    esac
    echo "$name=$value" >>"$env_file.new"
    made+=("$name")
  fi
done
if [[ ${#made[@]} == 0 ]]; then
  rm -f "$env_file.new"
  echo "$env_file has everything already, and so have databases made with its passwords: nothing was changed." \
    "To begin anew: docker compose down --volumes, delete it, and run this again." >&2
  exit 1
fi

# The containers run as other users and must read these: the folder keeps other users out, not the files.
mkdir -p "$secrets/render"
chmod 0755 "$secrets/render"  # mounted as a folder; the folder around it keeps other users out
write_definitions
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
chmod 0444 "$secrets/rabbitmq-definitions.json" "$secrets/dev-issuer.pem" "$secrets/signing-keys.pem" "$secrets/render/provenance.pem"

# Last, and in one step: a half-written file would be kept.
mv "$env_file.new" "$env_file"
echo "Wrote ${#made[@]} secrets to $env_file, and $secrets. Next: docker compose up --build --wait"
