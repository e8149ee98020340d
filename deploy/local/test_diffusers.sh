#!/usr/bin/env bash
# What `make test-diffusers` runs: the workspace as locked, with render's extra `diffusers`, in an environment of its own
# under .run, so that no other set-up has to install PyTorch. Weights are never downloaded: the tests make tiny models themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

environment=.run/diffusers
uv=.run/tools/bin/uv

[[ -x $uv && -x .venv/bin/python ]] || { echo "make setup comes first." >&2; exit 1; }
if [[ ! -d $environment ]]; then
  echo "Installing render with its extra diffusers into $environment (some gigabytes, minutes the first time)."
fi
# The machine's own certificates, as `make setup` does.
UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$environment \
  "$uv" sync --quiet --frozen --all-packages --extra diffusers --python "$(readlink -f .venv/bin/python)"
exec "$environment/bin/python" -m pytest services/render/tests/test_diffusers.py \
  services/render/tests/test_diffusers_try_on.py services/render/tests/test_diffusion_batches.py \
  services/render/tests/test_diffusion_settings.py services/render/tests/test_provider_suite.py \
  -k "diffusers or diffusion" -p no:cacheprovider --timeout 300 "$@"
