"""What faults act on: the running stack, the recorder on its bus, and what a fault itself found violated."""

import asyncio
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from atelier_local.launcher.postgres import admin_url
from atelier_local.launcher.stack import Stack
from atelier_messaging.link import Link
from chaos.message_recorder import MessageRecorder
from chaos.schedule import SERVICES
from whole_system.waits import NotYet, eventually
from whole_system.world import World

ALL_READY_S_MAX = 60.0
USABLE = ("ready", "done")
LOG_LINES = 90
TOLD_S = 2.0
"""How long a process may take to write where its threads are."""
_ACTIVITY = """
SELECT datname, pid, state, wait_event_type, wait_event, pg_blocking_pids(pid) AS blocked_by,
       now() - query_start AS since, left(query, 100) AS query
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


@dataclass
class Site:
    """What faults act on."""

    stack: Stack
    recorder: MessageRecorder
    failpoints: Path
    rng: random.Random
    world: World | None = None
    link: Link | None = None
    """The gateway's way to the broker, where it goes by one."""
    poisoned: int = 0
    """Poison messages laid so far: each must become a dead letter."""
    broken: list[str] = field(default_factory=list)
    """What a fault itself found violated."""

    async def wait_until_ready(self) -> None:
        """Waits until every part can be used."""

        async def find_all_up() -> bool | NotYet:
            status = await asyncio.to_thread(self.stack.status)
            return True if status and status.up else NotYet(status)

        try:
            await eventually(find_all_up, within_s=ALL_READY_S_MAX)
        except TimeoutError as error:
            for service in await asyncio.to_thread(self._unready_services):
                await asyncio.to_thread(self.stack.kill, service, signal.SIGUSR1)
            await asyncio.sleep(TOLD_S)
            error.add_note(await asyncio.to_thread(self._log_of_unready_parts))
            error.add_note(await self._statements_under_way())
            raise

    def _unready_services(self) -> list[str]:
        status = self.stack.status()
        parts = status.parts if status else []
        return [part.name for part in parts if part.name in SERVICES and part.state == "starting"]

    async def _statements_under_way(self) -> str:
        """What each connection to the databases does, and what it waits for."""
        try:
            superuser = await asyncpg.connect(admin_url(self.stack.profile), timeout=TOLD_S)
            try:
                rows = await superuser.fetch(_ACTIVITY, timeout=TOLD_S)
            finally:
                superuser.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            return f"the databases do not answer: {error!r}"
        return "\n".join(["connections to the databases:", *(str(dict(row)) for row in rows)])

    def _log_of_unready_parts(self) -> str:
        """What each part that cannot be used has logged last, and where its threads are: the stack is removed before
        anyone can look."""
        status = self.stack.status()
        unready = [part.name for part in status.parts if part.state not in USABLE] if status else []
        logs = {name: self.stack.profile.logs / f"{name}.log" for name in unready}
        tails = {name: log.read_text(errors="replace").splitlines()[-LOG_LINES:] for name, log in logs.items()}
        return "\n".join(line for name, tail in tails.items() for line in (f"last lines of {name}:", *tail))
