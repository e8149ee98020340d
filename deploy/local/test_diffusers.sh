#!/usr/bin/env bash
# What `make test-diffusers` runs: render with its extra `diffusers`, in an environment of its own under .run, so that
# nobody else has to install a gigabyte. Weights are never downloaded: the tests make a tiny model themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

environment=.run/diffusers
python=$environment/bin/python
needed=(-e libs/contracts -e libs/imaging -e libs/messaging -e libs/resilience -e libs/storage -e libs/telemetry
  -e libs/provider_simulator -e "services/render[diffusers]" pytest pytest-asyncio pytest-timeout hypothesis)
wanted=$(cat services/render/pyproject.toml libs/*/pyproject.toml "${BASH_SOURCE[0]}" | sha256sum)

if [[ ! -x $python ]]; then
  "${PYTHON:-python3}" -m venv "$environment"
fi
if [[ "$(cat "$environment/installed" 2>/dev/null)" != "$wanted" ]]; then
  echo "Installing render with its extra diffusers into $environment (a gigabyte or more, minutes the first time)."
  "$python" -m pip install --quiet --disable-pip-version-check "${needed[@]}"
  echo "$wanted" >"$environment/installed"
fi
exec "$python" -m pytest services/render/tests/test_diffusers.py services/render/tests/test_diffusion_batches.py \
  services/render/tests/test_diffusion_settings.py services/render/tests/test_provider_suite.py \
  -k "diffusers or diffusion" -p no:cacheprovider --timeout 300 "$@"
