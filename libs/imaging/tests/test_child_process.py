"""How a child process is ended."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from atelier_imaging.child_process import end_child


async def test_a_child_that_ends_while_its_grace_runs_out_is_no_error() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "", stdin=PIPE)
    await child.wait()

    await end_child(child, grace_s=0)  # so short that even a child that has ended is too late

    assert child.returncode == 0


async def test_a_child_that_does_not_end_is_killed() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)", stdin=PIPE)

    await end_child(child, grace_s=0.1)

    assert child.returncode == -9
