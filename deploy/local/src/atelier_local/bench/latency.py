"""Latency at a given rate of arrivals (open loop), however busy the system is: what a client waits, queues included."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from atelier_local.bench import load
from atelier_local.bench.contenders import AtelierContender, machine_load, quantiles_ms
from atelier_local.errors import StackError

RATES = (20, 50, 100)
SECONDS = 10.0
SEED = 7
"""Each build meets the same arrivals."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One build at one rate. Milliseconds from the moment a request was due."""

    contender: str
    rate: int
    round: int
    admissions_ms: dict[str, float]
    journeys_ms: dict[str, float]
    load: float


async def measure_arrivals(
    ateliers: Sequence[AtelierContender], *, rates: Sequence[int], seconds: float, rounds: int
) -> list[Arrivals]:
    """Each build at each rate in turn."""
    measured = []
    for number in range(rounds):
        for rate in rates:
            for atelier in ateliers if number % 2 == 0 else ateliers[::-1]:
                admissions, journeys = await _offer(atelier, _due_times(rate, seconds, SEED + number))
                measured.append(
                    Arrivals(
                        atelier.name, rate, number, quantiles_ms(admissions), quantiles_ms(journeys), machine_load()
                    )
                )
                await asyncio.sleep(1)
    return measured


async def _offer(atelier: AtelierContender, due: Sequence[float]) -> tuple[list[float], list[float]]:
    """Seconds from due to admitted, and from due to captured, of requests that are due at these seconds."""
    clock, admissions, journeys = time.perf_counter, list[float](), list[float]()
    began, url = clock() + 0.1, f"{atelier.url}/api/v1/generation/create"

    async def request(session: aiohttp.ClientSession, number: int, at: float) -> None:
        headers = {"Authorization": f"Bearer {atelier.keys[number % len(atelier.keys)]}", **load.NULL_RENDER}
        await asyncio.sleep(at - clock())
        async with session.post(url, json=load.BODY, headers=headers) as answer:
            body = await answer.json()
            if answer.status != 201:
                raise StackError(f"{atelier.name} answered {answer.status}: {body}")
        admissions.append(clock() - at)
        await atelier.outcomes.of(body["data"]["session_id"])
        journeys.append(clock() - at)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(request(session, number, began + at) for number, at in enumerate(due)))
    return admissions, journeys


def _due_times(rate: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals."""
    chance, due = random.Random(seed), list[float]()
    at = chance.expovariate(rate)
    while at < seconds:
        due.append(at)
        at += chance.expovariate(rate)
    return due
