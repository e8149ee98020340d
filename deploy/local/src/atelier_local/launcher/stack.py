"""The local stack as an object: what the command line does, and what tests use as a library."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from atelier_local.errors import StackError
from atelier_local.launcher import objectstore, postgres, postgres_standby, rabbitmq
from atelier_local.launcher.assembly import assemble
from atelier_local.launcher.control_socket import SOCKET, USABLE, NotRunning, Status, ask
from atelier_local.launcher.database_roles import release_databases
from atelier_local.launcher.environment import Plan, external_settings
from atelier_local.launcher.processes import MARK, end, find_marked, wait_until
from atelier_local.launcher.profile import (
    Profile,
    hold_ports,
    home_of,
    open_profile,
    profile_lock,
    read_settings,
    run_dir,
    write_private,
)
from atelier_local.server_versions.releases import chosen, resolved

UP_TIMEOUT_S = 180.0
DOWN_TIMEOUT_S = 60.0
STRAY_GRACE_S = 20.0
LOOK_EVERY_S = 0.1
TAIL_LINES = 15
LINE_CHARS_MAX = 300

Report = Callable[[Status], None]


class Stack:
    """One profile's stack, in a background process of its own that outlives its caller.

    ``only`` names the parts to start (all by default), ``env`` is added to the services' environment, ``root`` is the
    folder profiles live in (``.run``), ``servers`` are versions of RabbitMQ and Postgres for a new profile (by default
    those that the environment chooses), ``interpreters`` are the Pythons of services that another version of Atelier
    runs. Every method raises StackError, whose text is a sentence for a person.
    """

    def __init__(
        self,
        profile: str = "default",
        *,
        root: Path | None = None,
        only: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        servers: Mapping[str, str] | None = None,
        interpreters: Mapping[str, str] | None = None,
    ) -> None:
        self.name = profile
        self.root = (root or run_dir()).resolve()
        self.home = home_of(profile, self.root)
        self._only = tuple(only)
        self._extra = dict(env or {})
        self._interpreters = dict(interpreters or {})
        self._servers = resolved(chosen(os.environ) if servers is None else servers)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def profile(self) -> Profile:
        """Ports, secrets and paths; created on first use."""
        return open_profile(self.name, self.root, self._servers)

    @property
    def plan(self) -> Plan:
        """What it consists of: as it was started last, else as it would be now."""
        written = self.home / "plan.json"
        return Plan(**json.loads(written.read_text())) if written.exists() else self._plan()

    def up(self, report: Report = lambda _: None) -> Status:
        """Starts what does not run and waits until all of it is ready. ``report`` is called with every state on the
        way."""
        with profile_lock(self.home):
            running = self.status()
            if running and not self._serves(running):
                self._take_down()
                running = None
            if running is None:
                self._start()
            for part in running.parts if running else ():
                if part.state in ("stopped", "failed"):
                    self.start_part(part.name)
            try:
                return self._wait_ready(report)
            except StackError:
                self._take_down()
                raise

    def down(self) -> bool:
        """Stops everything, also what a killed supervisor left behind; False where nothing ran."""
        with profile_lock(self.home):
            return self._take_down()

    def clean(self) -> None:
        """Stops the stack and deletes its data."""
        with profile_lock(self.home):
            self._take_down()
            if (self.home / "profile.json").exists():
                postgres.remove(self.profile)
                self._release_given()
        shutil.rmtree(self.home, ignore_errors=True)

    def _release_given(self) -> None:
        """Releases the external servers, which outlive this stack and may serve the next."""
        given = self._plan().given
        if (broker := given.get("ATELIER_AMQP_URL")) is not None:
            rabbitmq.release(self.profile, broker)
        if (server := given.get("ATELIER_DATABASE_URL")) is not None:
            asyncio.run(release_databases(server, self.profile))

    def status(self) -> Status | None:
        """None where the stack is not up."""
        try:
            return Status.from_json(ask(self.home, {"do": "status"}))
        except NotRunning:
            return None

    def stop_part(self, name: str, sign: signal.Signals | None = None) -> None:
        """Stops one part and leaves it stopped: by that signal, or as the part likes it."""
        ask(self.home, {"do": "stop", "part": name, "signal": sign and int(sign)}, DOWN_TIMEOUT_S)

    def start_part(self, name: str) -> None:
        """Starts it again and waits until it is ready."""
        ask(self.home, {"do": "start", "part": name}, UP_TIMEOUT_S)

    def fail_over(self) -> str:
        """Kills the primary Postgres of a stack with a standby, which then is the primary; answers its name. The old
        one stays down until ``start_part``, and is the standby then."""
        profile = self.profile
        return asyncio.run(postgres_standby.fail_over(profile, partial(postgres.node_url, profile), self.stop_part))

    def kill(self, name: str, sign: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to a part's process; when that ends it, the supervisor starts the part again."""
        ask(self.home, {"do": "kill", "part": name, "signal": int(sign)})

    def pid(self, name: str) -> int | None:
        """The part's process now."""
        status = Status.from_json(ask(self.home, {"do": "status"}))
        return status.part(name).pid

    def wait_ready(self, name: str, timeout_s: float = 60.0) -> None:
        """Until that part is ready, after a kill for instance."""
        ready = wait_until(lambda: self._state(name) in USABLE, timeout_s)
        if not ready:
            raise StackError(f"{name} was not ready within {timeout_s:.0f} s; its log is {self.home}/logs/{name}.log")

    def environment(self) -> dict[str, str]:
        """What the env file says now."""
        return read_settings(self.home / "env")

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    def _state(self, name: str) -> str:
        return Status.from_json(ask(self.home, {"do": "status"})).part(name).state

    def _serves(self, running: Status) -> bool:
        """Whether the stack that runs has all that this one should have."""
        plan = self._plan()
        needed = {part.name for part in assemble(self.profile, plan).parts}
        was = Plan(**json.loads((self.home / "plan.json").read_text()))
        return needed <= {part.name for part in running.parts} and was.extra == plan.extra

    def _plan(self) -> Plan:
        return Plan(self._only, external_settings(os.environ, self.profile), self._extra, self._interpreters)

    def _start(self) -> None:
        profile, plan = self.profile, self._plan()
        assemble(profile, plan)  # a missing program is found here, before anything runs
        self._end_strays()
        write_private(self.home / "plan.json", json.dumps(asdict(plan)))
        with ExitStack() as opened:
            claims = [opened.enter_context(claim) for claim in hold_ports(profile).values()]
            log = opened.enter_context((profile.logs / "supervisor.log").open("wb"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "atelier_local.launcher.daemon", self.name, str(self.root)],
                env={**_without_settings(os.environ), MARK: profile.mark},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                pass_fds=[claim.fileno() for claim in claims],
            )  # fmt: skip

    def _wait_ready(self, report: Report) -> Status:
        deadline = time.monotonic() + UP_TIMEOUT_S
        while time.monotonic() < deadline:
            status = self.status()
            if status:
                report(status)
                if status.failed_parts:
                    raise StackError(self._why(status.failed_parts[0]))
                if status.up:
                    return status
            elif self._process and self._process.poll() is not None:
                raise StackError(self._why("supervisor"))
            time.sleep(LOOK_EVERY_S)
        waiting = [part.name for part in status.parts if part.state not in USABLE] if status else ["supervisor"]
        raise StackError(f"the stack was not ready within {UP_TIMEOUT_S:.0f} s; still waiting for {', '.join(waiting)}")

    def _why(self, part: str) -> str:
        log = self.home / "logs" / f"{part}.log"
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if log.exists() else []
        tail = [_shorten(line) for line in lines]
        return "\n  ".join([f"{part} did not start; the end of {log} says:", *tail])

    def _take_down(self) -> bool:
        try:
            ask(self.home, {"do": "down"})
            was_up = True
            wait_until(lambda: not self._is_supervised(), DOWN_TIMEOUT_S)
        except StackError:  # no supervisor, or none that answers: what is left is ended below
            was_up = False
        strays = self._end_strays()
        if self._process:
            self._process.wait(DOWN_TIMEOUT_S)
            self._process = None
        if (self.home / "profile.json").exists():
            objectstore.remove_sockets(self.profile)
        return was_up or strays > 0

    def _is_supervised(self) -> bool:
        return bool(find_marked(str(self.home)))

    def _end_strays(self) -> int:
        """Ends processes that still carry our mark; normally there are none."""
        count = end(lambda: find_marked(str(self.home)), STRAY_GRACE_S)
        for name in (SOCKET, "supervisor.pid", "env"):
            (self.home / name).unlink(missing_ok=True)
        return count


def _shorten(line: str) -> str:
    """A long line without its middle: a traceback on one line ends with its cause."""
    half = LINE_CHARS_MAX // 2
    return line if len(line) <= LINE_CHARS_MAX else f"{line[:half]} … {line[-half:]}"


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings reach the parts through the plan; other variables of the caller's shell are not passed on."""
    return {name: value for name, value in environ.items() if not name.startswith(("ATELIER_", "OTEL_"))}
