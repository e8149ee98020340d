"""The example under ``examples/``, installed from wheels as a stranger would, sums up what an owner has spent."""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from atelier_local.api_client.client import Client
from whole_system.packages import ROOT, UV
from whole_system.waits import becomes
from whole_system.world import World

EXAMPLE = ROOT / "examples" / "credit_totals"
COUNT, COST = 5, 10
INSTALL_S_MAX = 150


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the built wheels and what they declare."""
    folder = tmp_path_factory.mktemp("subscriber")
    uv = UV if UV.is_file() else Path(shutil.which("uv") or "uv")
    settings = os.environ | {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(
            [uv, *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
        assert done.returncode == 0, done.stderr

    for package in ("contracts", "events"):
        run("build", "--wheel", "--quiet", "--out-dir", folder, f"libs/{package}")
    run("venv", "--quiet", "--python", sys.executable, folder / "venv")
    wheels = [next(folder.glob(f"atelier_{name}-*.whl")) for name in ("contracts", "events")]
    python = folder / "venv" / "bin" / "python"
    run("pip", "install", "--quiet", "--python", python, wheels[0], f"{wheels[1]}[faststream]", "faststream[cli]")
    return folder / "venv" / "bin"


@pytest.fixture
def subscription(world: World) -> Iterator[str]:
    """The address of a subscription ``credit-totals``."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("ATELIER_")}

    def admin(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("atelier")), "admin", "subscriptions", *arguments]
        done = subprocess.run(
            command, env=settings | {"PROFILE": world.stack.name}, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = re.search(r"address\s+(\S+)", admin("create", "credit-totals", "--events", "credits.settled.v1"))
    assert found
    yield found[1]
    admin("delete", "credit-totals")


async def test_the_example_counts_each_credit_once_although_it_is_killed_at_work(
    world: World,
    store: Callable[[int], Awaitable[Client]],
    environment: Path,
    subscription: str,
    tmp_path: Path,
) -> None:
    client, books = await store(1_000), tmp_path / "totals.db"
    settings = {"PATH": os.environ["PATH"], "ATELIER_EVENTS_URL": subscription, "TOTALS_DB": str(books)}

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([environment / "faststream", "run", "credit_totals:app"], cwd=EXAMPLE, env=settings)

    async def spent() -> int:
        with sqlite3.connect(books, timeout=30) as connection:
            query = "SELECT coalesce(sum(credits), 0) FROM spent WHERE owner = ?"
            return int(connection.execute(query, (world.id_of(client),)).fetchone()[0])

    async def has_begun() -> bool:
        return books.is_file() and await _has_table(books)

    running = start()
    try:
        await becomes(True, has_begun)
        for place in range(2):
            await _generate(client)
            if place == 0:
                running.kill()
                running.wait()
                running = start()
        await becomes(2 * COUNT * COST, spent)
    finally:
        running.terminate()
        running.wait(30)

    assert (await world.balance(client)).captured == await spent()


async def _generate(client: Client) -> None:
    body = {"kind": "image", "prompt": "a red bicycle"}
    headers = {"X-Atelier-Simulate": "outcome=succeed,picture=none"}
    await asyncio.gather(*(client.ask("create", "POST", "/v1/generations", body, headers) for _ in range(COUNT)))


async def _has_table(books: Path) -> bool:
    with sqlite3.connect(books, timeout=30) as connection:
        return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'spent'").fetchone()[0])
