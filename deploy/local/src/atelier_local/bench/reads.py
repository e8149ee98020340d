"""The status of a generation against a bare FastAPI route that answers the same JSON, by the same clients."""

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from atelier_local.bench import load
from atelier_local.bench.contenders import AtelierContender, quantiles_ms
from atelier_local.errors import StackError

CLIENTS = (1, 16)
SECONDS = 2.0
GENERATIONS = 20
READY_S_MAX = 20.0
BARE = "bare FastAPI route"

_BARE = """
import sys, uvicorn
from fastapi import FastAPI, Response
app, body = FastAPI(), sys.argv[2].encode()
@app.get("/")
async def read() -> Response:
    return Response(body, media_type="application/json")
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads a second of one contender with so many clients, and their milliseconds."""

    contender: str
    clients: int
    round: int
    per_second: float
    took_ms: dict[str, float]


async def measure_reads(ateliers: Sequence[AtelierContender], *, seconds: float, rounds: int) -> list[Reads]:
    """Builds and the bare route in turn."""
    targets, headers = {}, {atelier.name: {"Authorization": f"Bearer {atelier.keys[0]}"} for atelier in ateliers}
    for atelier in ateliers:
        ids = await _create(atelier, headers[atelier.name])
        targets[atelier.name] = [f"{atelier.url}/api/v1/generation/{id}" for id in ids]
    first = ateliers[0].name
    body = await _read(targets[first][0], headers[first])
    measured = []
    with _bare_route(body) as url:
        await _wait_for(url)
        targets[BARE], headers[BARE] = [url], {}
        for number in range(rounds):
            for clients in CLIENTS:
                for name, urls in targets.items():
                    rate, took = await _read_for(seconds, clients, urls, headers[name])
                    measured.append(Reads(name, clients, number, rate, quantiles_ms(took)))
    return measured


async def _create(atelier: AtelierContender, headers: dict[str, str]) -> list[str]:
    ids = []
    async with aiohttp.ClientSession(headers=headers | load.NULL_RENDER) as session:
        for _ in range(GENERATIONS):
            async with session.post(f"{atelier.url}/api/v1/generation/create", json=load.BODY) as answer:
                ids.append((await answer.json())["data"]["session_id"])
            await atelier.outcomes.of(ids[-1])
    return ids


async def _read(url: str, headers: dict[str, str]) -> str:
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return json.dumps(await answer.json(), separators=(",", ":"))


async def _read_for(
    seconds: float, clients: int, urls: Sequence[str], headers: dict[str, str]
) -> tuple[float, list[float]]:
    took: list[float] = []
    clock = time.perf_counter
    ends = clock() + seconds

    async def work(session: aiohttp.ClientSession) -> None:
        while (began := clock()) < ends:
            async with session.get(random.choice(urls)) as answer:
                await answer.read()
                if answer.status != 200:
                    raise StackError(f"{answer.url} answered {answer.status}")
            took.append(clock() - began)

    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        began = clock()
        await asyncio.gather(*(work(session) for _ in range(clients)))
        return len(took) / (clock() - began), took


@contextmanager
def _bare_route(body: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = subprocess.Popen([sys.executable, "-c", _BARE, str(port), body], stdin=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        child.terminate()
        child.wait()


async def _wait_for(url: str) -> None:
    for _ in range(int(READY_S_MAX * 10)):
        try:
            await _read(url, {})
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
        else:
            return
    raise StackError(f"the bare route did not start within {READY_S_MAX:.0f} s")
