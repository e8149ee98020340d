"""A child process that is given its work through stdin and answers on stdout."""

import asyncio
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress

_BUFFER_BYTES = 64 * 1024


class ChildProcess:
    """Start one with ``ChildProcess.start``; end it with ``end``, however it went.

    Its stdin and stdout are one end of a pair of sockets, and the event loop has the other. ``asyncio`` starts children
    itself, but uvloop does so by a plain fork, and runs Python in the child before the new program is there: whatever
    another thread held at that moment stays held in the child, which then waits for it without end, and the parent's
    event loop waits for the child. ``subprocess`` uses vfork and runs no Python in between.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self._process = process

    @classmethod
    async def start(cls, *command: str, env: Mapping[str, str], buffer_bytes: int = _BUFFER_BYTES) -> "ChildProcess":
        """Raises OSError where the command cannot be started. Twice ``buffer_bytes`` of output wait here at most."""
        ours, theirs = socket.socketpair()
        with theirs:
            stdout, stdin = await asyncio.open_connection(sock=ours, limit=buffer_bytes)
            try:
                # In this thread: a child that asks to be killed with its parent means the thread that started it.
                process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), env=env)  # noqa: ASYNC220, S603
            except BaseException:
                stdin.close()
                raise
        return cls(process, stdin, stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number where a signal ended it."""
        return self._process.poll()

    def kill(self) -> None:
        """A child that has ended is left alone."""
        self._process.kill()

    def end_input(self) -> None:
        """The child reads to the end of what was written, then finds nothing more."""
        with suppress(OSError):  # it has ended
            self.stdin.write_eof()

    async def end(self, *, grace_s: float) -> None:
        """Ends the child's input, at which it ends by itself; kills it where it has not after ``grace_s`` seconds.

        Where a child died while it was written to, the event loop keeps the error of the broken connection. It is read
        here: else the garbage collector reports it, at any time, as one that was never read.
        """
        self.end_input()
        try:
            await asyncio.to_thread(self._process.wait, grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            await asyncio.to_thread(self._process.wait)
        self.stdin.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.stdin.wait_closed(), grace_s)
