#!/usr/bin/env bash
# uvicorn 0.54.0 and SIGTERM during the application's start-up.
#
# Guess:     SIGTERM ends a server whenever it comes; with timeout_graceful_shutdown at the latest after that time.
# Behaviour: while the lifespan's start-up is awaited (a broker or database that accepts and says nothing), SIGTERM only sets
#            a flag that is read after start-up. The process lives until it is killed.
# Seen:      alive 5 s after SIGTERM, with timeout_graceful_shutdown=1
# Here:      libs/telemetry cancels a start-up that is under way when SIGTERM comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0
cat >"$folder/app.py" <<'PY'
import asyncio


async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    print("starting", flush=True)
    await asyncio.Event().wait()
PY
"$folder/venv/bin/python" - "$folder" <<'PY'
import signal
import subprocess
import sys
import time

folder = sys.argv[1]
command = [f"{folder}/venv/bin/uvicorn", "app:app", "--port", "0", "--timeout-graceful-shutdown", "1"]
server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
try:
    assert server.stdout.readline() == "starting\n"
    server.send_signal(signal.SIGTERM)
    try:
        ended = server.wait(timeout=5) is not None
    except subprocess.TimeoutExpired:
        ended = False
finally:
    server.kill()
    server.wait()
print("ended" if ended else "alive 5 s after SIGTERM, with timeout_graceful_shutdown=1")
assert not ended, "the behaviour has changed"
PY
