"""Runs one part: waits for others, starts it, probes it, restarts it after a crash, stops it on request.

The child is a direct child in its own process group; the kernel signals it when we die (``setpriv --pdeathsig``), so
that not even a kill -9 of the supervisor leaves it behind.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from atelier_local.errors import StackError
from atelier_local.launcher.part import Part
from atelier_local.launcher.processes import group_members, send

PROBE_EVERY_S = 0.1
BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 5.0)
FIRST_STARTS_MAX = 3
"""A part that was never ready fails after this many starts: its settings are wrong, and a retry does not help."""
STEADY_S = 30.0
"""Seconds of readiness after which the count of crashes starts again."""
LOG_BYTES_MAX = 20_000_000


class PartState(StrEnum):
    """The states of a part."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


class PartRunner:
    """One part and its process."""

    def __init__(self, part: Part, log: Path, changed: Callable[[], None]) -> None:
        self.part = part
        self.log = log
        self.state = PartState.WAITING
        self.restarts = 0
        self.process: asyncio.subprocess.Process | None = None
        self.usable = asyncio.Event()
        """Set while others may use the part."""
        self.settled = asyncio.Event()
        """Set when it is ready, or will not become so: what a caller of start waits for."""
        self._on_change = changed
        self._life: asyncio.Task[None] | None = None
        self.ready_after_s: float | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self.process.pid if self.process and self.process.returncode is None else None

    def enter(self, state: PartState) -> None:
        """Sets the part's state and wakes what waits for it."""
        self.state = state
        usable = state in (PartState.READY, PartState.DONE)
        (self.usable.set if usable else self.usable.clear)()
        (self.settled.set if usable or state in (PartState.FAILED, PartState.STOPPED) else self.settled.clear)()
        self._on_change()

    def start(self, needed: Iterable["PartRunner"]) -> None:
        """Begins the part's life, unless it has one."""
        if self._life is None or self._life.done():
            self.enter(PartState.WAITING)
            self._life = asyncio.create_task(self._live(tuple(needed)), name=f"keep {self.part.name}")

    async def stop(self, sign: signal.Signals | None = None) -> None:
        """Ends it: by the signal, or gracefully, then not. It stays stopped until it is started."""
        if self._life and not self._life.done():
            self._life.cancel()
            await asyncio.wait([self._life])
        await self._end_process(sign)
        self.enter(PartState.STOPPED)

    async def _live(self, needed: tuple["PartRunner", ...]) -> None:
        for other in needed:
            await other.usable.wait()
        crashes, was_ready = 0, False
        while True:
            began = time.monotonic()
            failure = await self._once(began)
            if self.state is PartState.DONE:
                return
            was_ready = was_ready or self.ready_after_s is not None
            crashes = 1 if time.monotonic() - began > STEADY_S else crashes + 1
            self._note(failure)
            if not was_ready and crashes >= FIRST_STARTS_MAX:
                self.enter(PartState.FAILED)
                return
            self.restarts += 1
            self.enter(PartState.RESTARTING)
            await asyncio.sleep(BACKOFF_S[min(crashes, len(BACKOFF_S)) - 1])

    async def _once(self, began: float) -> str:
        """From start to end of one process; says why it ended."""
        self.enter(PartState.STARTING)
        try:
            if self.part.prepare:
                await asyncio.to_thread(self.part.prepare)
            if self.part.command:
                self.process = await self._spawn()
            self._on_change()
            if self.part.is_task:
                return await self._run_task()
            if not await self._become_ready():
                await self._end_process()
                return f"did not become ready ({self.part.ready_timeout_s:.0f} s at most)"
            self.ready_after_s = time.monotonic() - began
            self.enter(PartState.READY)
            return f"ended with {await self._wait_for_exit()}"
        except (OSError, StackError) as error:
            await self._end_process()
            return str(error)
        finally:
            self._sweep_group()

    async def _run_task(self) -> str:
        assert self.process
        code = await self.process.wait()
        if code == 0:
            self.enter(PartState.DONE)
        return f"ended with {code}"

    async def _spawn(self) -> asyncio.subprocess.Process:
        _rotate(self.log)
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *_command_prefix(self.part),
                *self.part.command,
                env=dict(self.part.env),
                cwd=self.part.cwd,
                start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )

    async def _become_ready(self) -> bool:
        assert self.part.probe
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.part.ready_timeout_s):
                while self.pid or not self.part.command:
                    if await self.part.probe():
                        if self.part.settle:
                            await self.part.settle()
                        return True
                    await asyncio.sleep(PROBE_EVERY_S)
        return False

    async def _wait_for_exit(self) -> int:
        if self.process is None:
            return await asyncio.Future()  # an external server: we do not watch its end
        return await self.process.wait()

    async def _end_process(self, sign: signal.Signals | None = None) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign or self.part.stop_signal)
            process.send_signal(signal.SIGCONT)  # a frozen process could not hear the first one
        try:
            await asyncio.wait_for(process.wait(), self.part.stop_grace_s)
        except TimeoutError:
            send([process.pid], signal.SIGKILL)
            await process.wait()
        self._sweep_group()

    def _sweep_group(self) -> None:
        """What a dead process left in its group (its workers) would hold its ports and its memory."""
        if self.process and self.process.returncode is not None:
            send(group_members(self.process.pid), signal.SIGKILL)

    def _note(self, failure: str) -> None:
        with self.log.open("a") as log:
            log.write(f"[supervisor] {self.part.name} {failure}\n")


def _command_prefix(part: Part) -> list[str]:
    """setpriv replaces itself by the command, so the pid stays the part's own. It sets the death signal last: a change
    of user would clear it."""
    user = [] if part.user is None else ["--reuid", str(part.user), "--regid", str(part.user), "--clear-groups"]
    return ["setpriv", *user, "--pdeathsig", part.stop_signal.name.removeprefix("SIG"), "--"]


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
