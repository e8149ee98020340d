"""A render service without a broker, on a real Postgres: what it would publish lies in its outbox, to be looked at.

``ATELIER_TEST_DATABASE_URL`` (a role that may create databases and roles) names the server; where it is absent, the
local launcher starts one for the length of the run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import atelier_render
from atelier_contracts import CancelRender, RequestRender
from atelier_imaging.pool import ImageWorkers
from atelier_messaging import database, testing
from atelier_provider_simulator.control import run_simulator
from atelier_render.execution.progress import Progress
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.outputs.spool import Spool
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

from .support.real_services import real_services, self_hosted
from .support.world import MemoryStore, Studio, World, new_request, worker_of

TABLES = (
    "breaker_overrides, durations, submissions, attempts, artefacts, results, removals, doomed_objects, tenant_queues, "
    "inbox, outbox, jobs"
)


def pytest_report_header() -> list[str]:
    """Which services elsewhere are real in the providers' suite, and whether the self-hosted model is there."""
    return [real_services(), self_hosted()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The same at the end, for runs that begin elsewhere and find this directory later."""
    terminalreporter.write_line(real_services())
    terminalreporter.write_line(self_hosted())


@pytest.fixture(scope="session")
async def images() -> AsyncIterator[ImageWorkers]:
    """The image children of all tests: to start one takes longer than most pictures do."""
    workers = ImageWorkers(workers=2)
    yield workers
    await workers.close()


@pytest.fixture(scope="session")
def normaliser(images: ImageWorkers) -> ImageNormaliser:
    """What brings pictures of providers into shape."""
    return ImageNormaliser(images)


@pytest.fixture
def studio(tmp_path: Path, images: ImageWorkers) -> Studio:
    """An empty studio."""
    objects, spool = MemoryStore(), Spool(tmp_path / "spool")
    artefacts = ArtefactWriter(objects, spool, pool=None)  # type: ignore[arg-type]
    return Studio(objects, spool, worker_of(objects, artefacts, images, Progress(None)))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def ask() -> Callable[..., RequestRender]:
    """Makes requests."""
    return new_request


@pytest.fixture(scope="session")
def cancel() -> Callable[[RequestRender], CancelRender]:
    """Makes the cancel of a request."""
    return lambda request: CancelRender(generation_id=request.generation_id)


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """Where OpenAI and Google are played, by a process of its own."""
    with run_simulator() as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a superuser on a Postgres."""
    with testing.postgres("tests-render") as url:
        yield url


@pytest.fixture(scope="session")
async def database_url(postgres: str) -> AsyncIterator[str]:
    """URL of a migrated database, as the role that owns nothing in it."""
    async with testing.migrated_database(postgres, Path(atelier_render.__file__).parent / "migrations") as url:
        yield url


@pytest.fixture
async def world(database_url: str, tmp_path: Path, images: ImageWorkers) -> AsyncIterator[World]:
    """An empty render service."""
    pool = await database.connect(database_url)
    await pool.execute(f"DELETE FROM {'; DELETE FROM '.join(TABLES.split(', '))}")
    world = World(pool, MemoryStore(), Spool(tmp_path / "spool"), images)
    yield world
    for process in world.processes:
        await process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.unit.outbox.drain(), 2)
    assert await world.find_miscounts() == []
    await pool.close()
