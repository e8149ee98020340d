#!/usr/bin/env bash
# uvloop 0.23.0 and os.register_at_fork, with asyncio.create_subprocess_exec.
#
# Guess:     the event loop changes how a child is waited for, not how it is started: as on asyncio's own loop, none of our Python runs
#            in the child before the new program does.
# Behaviour: under uvloop the child is forked and runs the interpreter's hooks for a forked child, those of os.register_at_fork too, before it
#            becomes the new program. On asyncio's own loop they do not run. So locks that another thread held at that moment matter again.
# Seen:      asyncio: hooks ran in 0 of 3 children; uvloop: hooks ran in 3 of 3 children
# Here:      render starts its children by `subprocess`, whatever the loop is; libs/imaging/tests/test_child_process.py keeps it so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import os

import uvloop

CHILDREN = 3
reading, writing = os.pipe()
os.set_blocking(reading, False)
os.register_at_fork(after_in_child=lambda: os.write(writing, b"."))


async def start() -> None:
    for _ in range(CHILDREN):
        child = await asyncio.create_subprocess_exec("true")
        assert await child.wait() == 0


def count(loop_factory: object) -> int:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(start())
    try:
        return len(os.read(reading, 100))
    except BlockingIOError:
        return 0


plain, other = count(asyncio.new_event_loop), count(uvloop.new_event_loop)
print(f"asyncio: hooks ran in {plain} of {CHILDREN} children; uvloop: hooks ran in {other} of {CHILDREN} children")
assert (plain, other) == (0, CHILDREN), "the behaviour has changed"
PY
