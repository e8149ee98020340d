"""The process behind ``atelier up``: runs one profile's supervisor, serves its socket, keeps its env file current."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from atelier_local.errors import StackError
from atelier_local.launcher import environment
from atelier_local.launcher.assembly import Assembly, assemble
from atelier_local.launcher.control_socket import SOCKET, PartStatus, Status, socket_path
from atelier_local.launcher.environment import Plan
from atelier_local.launcher.part_runner import PartRunner
from atelier_local.launcher.profile import Profile, open_profile
from atelier_local.launcher.supervisor import Supervisor


class Daemon:
    """One stack, from its start to its end."""

    def __init__(self, profile: Profile, plan: Plan, assembly: Assembly) -> None:
        self.profile = profile
        self.plan = plan
        self.skipped = assembly.skipped
        self.supervisor = Supervisor(assembly.parts, profile.logs, self._on_change)
        self._stop = asyncio.Event()
        self._written: dict[str, str] = {}

    async def run(self) -> None:
        """Runs until ``down`` is requested or SIGTERM arrives."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stop.set)
        with socket_path(self.profile.home) as path:
            server = await asyncio.start_unix_server(self._serve, path)
        (self.profile.home / "supervisor.pid").write_text(f"{os.getpid()}\n")
        self.supervisor.start()
        await self._stop.wait()
        await self.supervisor.stop()
        self._remove_files()
        server.close()

    def status(self) -> Status:
        return Status(os.getpid(), [_status_of(runner) for runner in self.supervisor.runners.values()], self.skipped)

    def _on_change(self) -> None:
        """A process came or went: the pids in the env file follow."""
        runners = self.supervisor.runners
        pids = {name: runner.pid for name, runner in runners.items() if runner.pid is not None}
        values = environment.user_environment(self.profile, self.plan, runners, pids)
        if values != self._written and not self._stop.is_set():
            environment.write_env_file(self.profile, values)
            self._written = values

    def _remove_files(self) -> None:
        for name in (SOCKET, "supervisor.pid", "env"):
            (self.profile.home / name).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(json.loads(await reader.readline()))
        except StackError as error:
            answer = {"error": str(error)}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "down"}:
                self._stop.set()
            case {"do": "stop", "part": name, "signal": sign}:
                await self.supervisor.stop_part(name, signal.Signals(sign) if sign else None)
            case {"do": "start", "part": name}:
                await self.supervisor.start_part(name)
            case {"do": "kill", "part": name, "signal": sign}:
                self.supervisor.kill_part(name, signal.Signals(sign))
            case {"do": "status"}:
                pass
            case _:
                raise StackError(f"the supervisor has no command {question.get('do')!r}")
        return self.status().as_json()


def _status_of(runner: PartRunner) -> PartStatus:
    part = runner.part
    return PartStatus(
        part.name, runner.state, runner.pid, runner.restarts, part.url, runner.ready_after_s, list(part.needs)
    )


def main(name: str, root: str) -> None:
    """Entry of the background process; its plan lies in the profile, written by ``Stack``."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # connection errors are expected until the broker is ready
    profile = open_profile(name, Path(root))
    plan = Plan(**json.loads((profile.home / "plan.json").read_text()))
    asyncio.run(Daemon(profile, plan, assemble(profile, plan)).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
