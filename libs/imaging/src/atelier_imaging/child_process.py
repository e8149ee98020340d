"""Ends a child process that is given its work through stdin."""

import asyncio
from asyncio.subprocess import Process
from contextlib import suppress


async def end_child(process: Process, *, grace_s: float) -> None:
    """Closes the child's stdin, at which it ends by itself; kills it where it has not ended after ``grace_s`` seconds.

    Where a child died while it was written to, the event loop keeps the error of the broken pipe. It is read here: else
    the garbage collector reports it, at any time, as one that was never read.
    """
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), grace_s)
    except TimeoutError:
        with suppress(ProcessLookupError):  # it may have ended in this very moment
            process.kill()
        await process.wait()
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(process.stdin.wait_closed(), grace_s)
