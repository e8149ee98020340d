#!/usr/bin/env bash
# openapi-python-client 0.29.1, run by its path.
#
# Guess:     "Warning(s) encountered while generating. Client was generated, but some pieces may be missing" is about the
#            document it read.
# Behaviour: it also says so when ruff, which it depends on and which is installed beside it, is not on PATH, as in a virtual
#            environment that is not activated. The client is complete, only not formatted.
# Seen:      by path: warning True; with the environment's bin on PATH: warning False
# Here:      the test that generates a client without a warning sets PATH.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openapi-python-client==0.29.1
cat >"$folder/openapi.json" <<'JSON'
{"openapi": "3.1.0", "info": {"title": "Example", "version": "1"},
 "paths": {"/ping": {"get": {"operationId": "ping", "responses": {"204": {"description": "Alive"}}}}}}
JSON
warns() {
  local said
  said=$(PATH=$1 "$folder/venv/bin/openapi-python-client" generate --path "$folder/openapi.json" --overwrite \
    --output-path "$folder/client" 2>&1) || true
  [[ $said == *"Warning(s) encountered"* ]] && echo True || echo False
}
bare=$(warns /usr/bin:/bin)
beside=$(warns "$folder/venv/bin:/usr/bin:/bin")
echo "by path: warning $bare; with the environment's bin on PATH: warning $beside"
[[ $bare == True && $beside == False ]] || { echo "the behaviour has changed" >&2; exit 1; }
