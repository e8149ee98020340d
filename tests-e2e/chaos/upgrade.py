"""An upgrade under load: the services of the version before run on, the migrations of this one run beside them, then
one service after another is replaced.

Clients go over every surface, as in ``rolling_restart``; what they are answered has to be true by itself.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from atelier_local.bench.builds import build_of
from atelier_local.errors import StackError
from atelier_local.launcher.environment import migration_environment
from atelier_local.launcher.profile import REPOSITORY
from atelier_local.launcher.stack import Stack
from chaos.rolling_restart import (
    LIMITS,
    Balancer,
    ClientAnswers,
    Pace,
    Say,
    check_books,
    find_surprises,
    send_load,
)
from whole_system.replicas import replica
from whole_system.surfaces import build_create_requests
from whole_system.world import World

PREVIOUS = "665c592c2d2945f4382038e4571702da8121c0e8"
"""The revision that is upgraded from; a release moves it on."""
SERVICES = ("billing", "session", "render", "gateway")
"""In the order in which they are replaced: who receives a message before who sends its new fields."""
PER_SECOND = 10.0
ANSWER_S_MAX = 240.0
"""A create that waits for its end waits for a service that is being replaced, too: on a busy machine a minute."""
LOAD_S = 5.0
"""At least; it lasts until the last service is replaced."""


class Interpreters:
    """The Python of each service, in a folder of links: those of the version before, until a service is replaced."""

    def __init__(self, folder: Path, before: Path) -> None:
        self._folder = folder
        for service in SERVICES:
            (folder / service).symlink_to(before)

    def by_service(self) -> Mapping[str, str]:
        """As the launcher takes it."""
        return {service: str(self._folder / service / "bin" / "python") for service in SERVICES}

    def replace(self, service: str) -> None:
        """The next process of this service is this version's."""
        (self._folder / service).unlink()
        (self._folder / service).symlink_to(sys.prefix)


def has_history() -> bool:
    """Whether this is a checkout, from which the version before can be taken; a source archive has none."""
    return (REPOSITORY / ".git").exists()


@contextmanager
def installation(name: str, settings: Mapping[str, str]) -> Iterator[tuple[Stack, Interpreters]]:
    """A running system of the version before. Raises StackError where the checkout lacks its revision."""
    try:
        before = build_of(PREVIOUS).root / ".venv"
    except StackError as error:
        hint = "a shallow clone gets it by `git fetch --unshallow`"
        raise StackError(f"the version before, {PREVIOUS[:12]}, is not at hand; {hint}: {error}") from error
    with TemporaryDirectory(prefix="atelier-upgrade-") as folder:
        interpreters = Interpreters(Path(folder), before)
        stack = Stack(name, env=settings, interpreters=interpreters.by_service())
        try:
            stack.up()
            yield stack, interpreters
        finally:
            stack.clean()


async def run(world: World, interpreters: Interpreters, say: Say) -> list[str]:
    """Upgrades it; answers what is wrong."""
    routes = await build_create_requests(world)
    answers, began = ClientAnswers(), await world.databases["gateway"].fetchval("SELECT now()")
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False, limits=LIMITS))
        balancer = Balancer([world.url])
        watching = [asyncio.create_task(balancer.watch())]
        await balancer.sees_all()
        over = asyncio.Event()
        load = asyncio.create_task(send_load(http, balancer, routes, answers, Pace(LOAD_S, PER_SECOND, over)))
        try:
            for service in SERVICES:
                say(await _migrate(world, service, answers))
            for service in SERVICES[:-1]:
                say(await _replace(world, service, interpreters))
            second = await opened.enter_async_context(replica(world.stack, "gateway"))
            balancer.urls.append(second.url)
            watching.append(asyncio.create_task(Balancer([second.url], balancer.ready).watch()))
            await balancer.sees_all()
            say(await _replace(world, "gateway", interpreters))
            await balancer.sees_all()
            over.set()
            lasted = await load
        finally:
            for task in (load, *watching):
                task.cancel()
        logs = (world.stack.profile.home / "logs" / "gateway.log", second.log)
        wrong = [*answers.broken, *find_surprises(logs), *[line async for line in check_books(world, answers, began)]]
    say(
        f"{answers.requests} requests in {lasted:.0f} s, {answers.requests / lasted:.0f}/s: "
        f"answers {dict(sorted(answers.statuses.items()))}, refused {dict(answers.refusals)}"
    )
    return wrong


async def _migrate(world: World, service: str, answers: ClientAnswers) -> str:
    """This version's migrations of a service, as its owner runs them. Raises AssertionError with what they said."""
    environment = migration_environment(service, world.stack.profile, world.stack.plan)
    clock, before = asyncio.get_running_loop().time, sum(answers.statuses.values())
    began = clock()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"atelier_{service}", "migrate"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, (
        f"the migration of {service} ended with {process.returncode}: {said.decode()[-800:]}"
    )
    answered = sum(answers.statuses.values()) - before
    return f"{service}: migrated in {clock() - began:.1f} s amid {answered} answers {said.decode().strip()}".rstrip()


async def _replace(world: World, service: str, interpreters: Interpreters) -> str:
    interpreters.replace(service)
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(world.stack.stop_part, service)
    await asyncio.to_thread(world.stack.start_part, service)
    return f"{service}: replaced in {asyncio.get_running_loop().time() - began:.1f} s"


async def versions_of(world: World) -> AsyncIterator[tuple[str, str]]:
    """The newest migration that each database has."""
    for service in SERVICES:
        yield service, str(await world.databases[service].fetchval("SELECT version_num FROM alembic_version"))
