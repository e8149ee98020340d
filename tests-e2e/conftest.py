"""One running system for all whole-system tests; after each of them the books must balance."""

import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pillow_heif
import pytest
from PIL import Image
from playwright.async_api import Browser

from atelier_local.api_client.client import AdminClient, Client
from atelier_local.demo import photos
from atelier_local.launcher.stack import Stack
from atelier_provider_simulator.control import Control, accounts_at, run_simulator
from chaos import reconciliation
from whole_system import browser, looks, packages
from whole_system.engines import containers, docker_answers
from whole_system.own_stack import own_stack
from whole_system.world import World

HERE = Path(__file__).parent
SETTINGS = {
    "ATELIER_SESSION_RESEND_S": "5",
    "ATELIER_SESSION_STOP_GRACE_S": "5",
    "ATELIER_STANDING_AFTER_S": "10",
    "ATELIER_STANDING_CHECK_EVERY_S": "2",
    "ATELIER_UNCONFIRMED_AFTER_S": "5",
    # All tests come from one address within a minute; the limits have tests of their own.
    "RATE_LIMIT_ENABLED": "false",
    "ATELIER_FAILED_LOGINS_PER_MINUTE": "100000",
    "ATELIER_RENDER_ANSWER_S_MAX": "10",
    "ATELIER_CORS_ORIGINS": browser.ORIGIN,
    "ATELIER_CONTENT_BANNED_WORDS": "unspeakable",
    **reconciliation.SETTINGS,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs the whole system; the ones that break it run last."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.stack)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))
    order = {item: ("fault" in item.path.name, items.index(item)) for item in ours}
    items[:] = [item for item in items if item not in order] + sorted(ours, key=order.__getitem__)


def pytest_report_header() -> list[str]:
    """Says on what the whole-system tests run, and what they are going to install."""
    missing = packages.missing()
    return [
        f"whole-system tests: servers from {'testcontainers' if docker_answers() else 'the local launcher'}",
        f"browser: {browser.CHROMIUM or browser.MISSING}",
        f"stock clients: {f'{missing} are installed in .run/clients when first run' if missing else 'in .run/clients'}",
    ]


@pytest.fixture(scope="session")
def providers_url() -> Iterator[str]:
    """Where the hosted providers are played."""
    with run_simulator() as url:
        yield url


@pytest.fixture(scope="session")
def stack(providers_url: str) -> Iterator[Stack]:
    """The four services and their servers, with short patience so that takeovers are quick."""
    with containers() as given, TemporaryDirectory(prefix="atelier-failpoints-") as failpoints:
        os.environ.update(given)
        accounts = accounts_at(providers_url)
        with own_stack("tests", {**SETTINGS, **accounts, "ATELIER_FAILPOINTS": failpoints}) as running:
            yield running


@pytest.fixture(scope="session")
async def world(stack: Stack) -> AsyncIterator[World]:
    """The system as a test sees it: its API, its operators' API, its databases."""
    async with World.of(stack) as opened:
        yield opened


@pytest.fixture
async def provider_simulator(providers_url: str) -> AsyncIterator[Control]:
    """The hosted providers: what they do (``plan``), and what reached them (``requests``), for this test alone."""
    async with Control(providers_url) as control:
        await control.forget()
        yield control
        await control.forget()


@pytest.fixture
def admin(world: World) -> AdminClient:
    """The operators' API."""
    return world.admin


@pytest.fixture
async def store(world: World) -> AsyncIterator[Callable[[int], Awaitable[Client]]]:
    """Makes a store with that many credits and answers its client."""
    clients: list[Client] = []

    async def make(credits: int) -> Client:
        client = await world.new_store(credits)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.__aexit__(None, None, None)


@pytest.fixture
def store_key(world: World) -> Callable[[int], Awaitable[str]]:
    """Makes a store with that many credits and answers its key."""

    async def make(credits: int) -> str:
        made = await world.admin.create_store("Test boutique")
        if credits:
            await world.admin.grant("store", made.id, credits, reason="test")
        return made.api_key

    return make


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A real browser, for pages that are driven by hand."""
    assert browser.CHROMIUM, browser.MISSING
    async with looks.open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def phone_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``person.heic``, as a phone takes it, and ``garment.jpg``."""
    folder = tmp_path_factory.mktemp("photos")
    person = Image.open(io.BytesIO(photos.person_photo())).convert("RGB")
    pillow_heif.from_pillow(person).save(folder / "person.heic")
    (folder / "garment.jpg").write_bytes(photos.garment_photo())
    return folder


@pytest.fixture(autouse=True)
async def books_balance(world: World) -> AsyncIterator[None]:
    """After every test: ``ledger verify`` is clean, and held credits belong to generations that are still alive."""
    yield
    verdict = await world.admin.verify_ledger()
    assert verdict.ok, verdict.violations
