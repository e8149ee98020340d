"""Event streams: how far apart the first and last of many listeners of a generation hear of its end, and the cost."""

import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from atelier_local.bench import load
from atelier_local.bench.contenders import AtelierContender
from atelier_local.bench.processor_time import processor_time
from atelier_local.errors import StackError

LISTENERS = 1_000
OF_A_GENERATION = 100
SETTINGS = {"ATELIER_STREAMS_MAX": "1000", "ATELIER_STREAMS_OF_OWNER_MAX": "100"}
RENDER_S = 12
"""Long enough for a thousand connections to be opened before it ends."""
STREAM_S_MAX = 90.0


@dataclass(frozen=True, slots=True)
class FanOut:
    """Milliseconds between a generation's first and last listener, of each generation; gateway CPU ms and kB of
    memory a listener."""

    listeners: int
    spreads_ms: list[float]
    cpu_ms: float
    memory_kb: float


def allow_open_files() -> None:
    """As many as the system permits, for this process and the stacks it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def measure_fan_out(atelier: AtelierContender, *, listeners: int = LISTENERS) -> FanOut:
    """The listeners follow generations of different owners, ``OF_A_GENERATION`` each."""
    pids = atelier.build.pids()
    gateway = next(pid for pid, name in pids.items() if name == "gateway")
    memory, used = _resident_kb(gateway), processor_time(atelier.build.home, pids)["gateway"]
    timeout = aiohttp.ClientTimeout(total=STREAM_S_MAX)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        groups = []
        for key in atelier.keys[: listeners // OF_A_GENERATION]:
            headers = {"Authorization": f"Bearer {key}"}
            url = await _create(session, atelier.url, headers)
            groups.append([asyncio.create_task(_listen(session, url, headers)) for _ in range(OF_A_GENERATION)])
        await asyncio.sleep(RENDER_S * 0.8)
        grown = _resident_kb(gateway) - memory
        heard = [await asyncio.gather(*group) for group in groups]
    used = processor_time(atelier.build.home, pids)["gateway"] - used
    return FanOut(listeners, [_spread_ms(times) for times in heard], used / listeners * 1_000, grown / listeners)


async def _create(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> str:
    """The address of the events of a generation that takes ``RENDER_S``."""
    simulate = {"X-Atelier-Simulate": f"outcome=succeed, delay_ms={RENDER_S * 1_000}, picture=none"}
    path = f"{url}/api/v1/generation/create"
    async with session.post(path, json=load.BODY, headers=headers | simulate) as answer:
        return f"{url}/v1/generations/{(await answer.json())['data']['session_id']}/events"


async def _listen(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> float:
    """When the end was heard."""
    async with session.get(url, headers=headers | {"Accept": "text/event-stream"}) as answer:
        if answer.status != 200:
            raise StackError(f"a stream was answered {answer.status}: {(await answer.text())[:200]}")
        async for line in answer.content:
            if line.startswith(b"event: succeeded"):
                return time.perf_counter()
    raise StackError("a stream ended before its generation did")


def _spread_ms(times: Sequence[float]) -> float:
    return (max(times) - min(times)) * 1_000


def _resident_kb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1_000
