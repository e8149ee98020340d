"""The gateway under test: the real application on a real Postgres and a real broker, its neighbours played by us."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import atelier_gateway
from atelier_gateway.app import create_app
from atelier_gateway.settings import Settings
from atelier_messaging import database, testing
from atelier_storage.settings import StorageSettings
from atelier_storage.testing import object_store

from .support.link import Link
from .support.neighbours import Neighbours
from .support.world import ADMIN_TOKEN, FAILED_LOGINS_PER_MINUTE, ByPath, World

ADMISSION_S = SYNC_WAIT_S = 20.0
"""As long as a busy machine may take for a reply; a test in which none comes shortens it."""
SHORT_S = 3.0
WEBHOOK_RETRIES_S = "0.1,0.1"


@pytest.fixture(scope="session")
def server_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of the broker and of the database."""
    with testing.servers("gateway", tmp_path_factory.mktemp("run")) as urls:
        yield urls


@pytest.fixture(scope="session")
def storage_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageSettings]:
    """A real object store with an empty bucket."""
    with object_store("gateway-store", tmp_path_factory.mktemp("store")) as settings:
        yield settings


@pytest.fixture(scope="session")
async def database_url(server_urls: tuple[str, str]) -> AsyncIterator[str]:
    """URL of a migrated database of this run's own, as the role that owns nothing in it."""
    async with testing.migrated_database(server_urls[1], Path(atelier_gateway.__file__).parent / "migrations") as url:
        yield url


@pytest.fixture(scope="session")
def issuer_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A development issuer's key."""
    file = tmp_path_factory.mktemp("issuer") / "key.pem"
    key = generate_private_key(SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@pytest.fixture(scope="session")
async def gateway_run(
    server_urls: tuple[str, str], database_url: str, storage_settings: StorageSettings, issuer_key: Path
) -> AsyncIterator[World]:
    """One gateway for the whole run, with links that can break to its broker and to its database."""
    to_broker, to_database, neighbours = Link(server_urls[0]), Link(database_url), Neighbours()
    broker_url, database_url = await to_broker.open(), await to_database.open()
    internal_url = await neighbours.serve()
    app = create_app(_settings(broker_url, database_url, internal_url, storage_settings, issuer_key))
    async with app.public.router.lifespan_context(app.public):
        await neighbours.listen(server_urls[0])
        pool = await database.connect(database_url)
        async with AsyncExitStack() as opened:
            both, public, operations = [
                await opened.enter_async_context(
                    httpx.AsyncClient(transport=door, base_url="http://gateway", timeout=30)
                )
                for door in (ByPath(app), httpx.ASGITransport(app.public), httpx.ASGITransport(app.operations))
            ]
            container = app.public.state.container
            yield World(both, public, operations, pool, neighbours, to_broker, to_database, container, app)
        await pool.close()
        await neighbours.close()
    await to_broker.close()
    await to_database.close()


def _settings(
    amqp_url: str, database_url: str, internal_url: str, storage: StorageSettings, issuer_key: Path
) -> Settings:
    return Settings(
        amqp_url=amqp_url,
        gateway_database_url=database_url,
        service_token="the service token of the tests",
        admin_token=ADMIN_TOKEN,
        key_pepper="the pepper of the tests",
        session_url=internal_url,
        billing_url=internal_url,
        render_url=internal_url,
        dev_issuer_key_file=issuer_key,
        simulator="on",
        log_level="ERROR",
        admission_s=ADMISSION_S,
        sync_wait_s=SYNC_WAIT_S,
        trusted_proxies="127.0.0.0/8",
        failed_logins_per_minute=FAILED_LOGINS_PER_MINUTE,
        webhook_loopback="on",
        webhook_retries_s=WEBHOOK_RETRIES_S,
        storage=storage,
    )


@pytest.fixture
async def world(gateway_run: World) -> AsyncIterator[World]:
    """The running gateway, its tables empty, its links whole, its neighbours willing."""
    await gateway_run.renew()
    yield gateway_run
    await gateway_run.mend()


@pytest.fixture
def short_waits(world: World) -> Iterator[None]:
    """The gateway gives up early: for tests in which nothing replies to it."""
    container = world.container
    usual, waiting = container.settings, (container.creator._admission, container.disputes)
    short = usual.model_copy(update={"admission_s": SHORT_S, "sync_wait_s": SHORT_S})

    def wait_at_most(seconds: float, settings: Settings) -> None:
        object.__setattr__(container, "settings", settings)
        for part in waiting:
            part._timeout_s = seconds

    wait_at_most(SHORT_S, short)
    yield
    wait_at_most(ADMISSION_S, usual)
