#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml asks for, once: `.env` at the root of the repository (mode 0600), and in
# deploy/compose/.secrets the signing key of the development issuer and the broker's user. Existing ones are kept.
set -euo pipefail
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
env_file=${1:-$root/.env}
secrets=${2:-$root/deploy/compose/.secrets}

secret() { openssl rand -hex 32; }  # hexadecimal, because most of them become part of a URL
upload_identity() {
  echo "ATELIER_S3_UPLOAD_ACCESS_KEY=atelier-uploads-$(openssl rand -hex 6)"
  echo "ATELIER_S3_UPLOAD_SECRET_KEY=$(secret)"
}

if [[ -e $env_file ]] && ! grep -q '^ATELIER_S3_UPLOAD_ACCESS_KEY=' "$env_file"; then
  added=$(upload_identity)
  printf '\n%s\n' "$added" >>"$env_file"
  echo "Added the identity that signs uploads to $env_file; all else is as it was. Next: docker compose up --build --wait"
  exit 0
fi
if [[ -e $env_file ]]; then
  echo "$env_file exists already, and so do databases made with its passwords: nothing was changed." \
    "To begin anew: docker compose down --volumes, delete it, and run this again." >&2
  exit 1
fi
command -v openssl >/dev/null || { echo "openssl is needed to make the secrets: apt-get install openssl" >&2; exit 1; }

# RabbitMQ's form: base64(salt, sha256(salt, password)), the salt being four bytes.
broker_hash() {
  local salt
  salt=$(mktemp)
  openssl rand -out "$salt" 4
  { cat "$salt"; { cat "$salt"; printf %s "$1"; } | openssl dgst -sha256 -binary; } | openssl base64 -A
  rm -f "$salt"
}

mkdir -p "$secrets"
rm -f "$secrets/rabbitmq-definitions.json" "$secrets/dev-issuer.pem"  # left read-only by a run that was cut off
rabbitmq_password=$(secret)

# The containers run as other users and must read these two: the folder keeps everybody else out, not the files.
hash=$(broker_hash "$rabbitmq_password")
sed "s|@PASSWORD_HASH@|$hash|" "$root/deploy/compose/rabbitmq/definitions.json" >"$secrets/rabbitmq-definitions.json"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$secrets/dev-issuer.pem"
chmod 0444 "$secrets/rabbitmq-definitions.json" "$secrets/dev-issuer.pem"

# Last, and in one step: a half-written file would be kept for ever.
{
  echo "# Secrets of the local compose stack, made by deploy/compose/make-env.sh. Not for the repository."
  echo "RABBITMQ_PASSWORD=$rabbitmq_password"
  for name in ATELIER_ADMIN_TOKEN ATELIER_SERVICE_TOKEN ATELIER_KEY_PEPPER ATELIER_S3_SECRET_KEY \
    POSTGRES_PASSWORD MINIO_ROOT_PASSWORD GRAFANA_PASSWORD \
    {GATEWAY,SESSION,BILLING,RENDER}_{OWNER,APP}_PASSWORD; do
    echo "$name=$(secret)"
  done
  echo "ATELIER_S3_ACCESS_KEY=atelier-$(openssl rand -hex 6)"
  upload_identity
} >"$env_file.new"
mv "$env_file.new" "$env_file"
echo "Wrote $env_file and $secrets. Next: docker compose up --build --wait"
