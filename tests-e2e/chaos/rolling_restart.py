"""A rolling restart: two replicas of each service, ended and started one after another under a steady load.

The load goes over every surface and through both gateways, as a balancer sends it: to those that say they are ready.
Nothing has an Idempotency-Key, so that each answer has to be true by itself.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from atelier_local.launcher.replica import Replica
from chaos.schedule import SERVICES
from whole_system.replicas import replica
from whole_system.surfaces import CreateRequest, build_create_requests
from whole_system.waits import eventually
from whole_system.world import World

ORDERS = {"X-Atelier-Simulate": "outcome=succeed, picture=none, delay_ms=400"}
SURFACE_OF = {"on-model": "onmodel"}
"""What the gateway's table calls a surface, where it has another name than the tests."""
DECLARED = {"stories": 500}
"""The 5xx of a surface when a part is unavailable and nothing is charged, where it is not 503 (seed 001 knows none)."""
PRICES = {"b2b": 1, "trpc": 1, "stories": 1, "form": 1, "images": 3, "on-model": 3, "native": 3, "openai": 3}
PROBE_EVERY_S = 0.2
PROBE_S_MAX = 2.0
STARTED_S_MAX = 180.0
"""How long a process may take to start on a busy machine."""
ANSWER_S_MAX = 60.0
IN_FLIGHT_MAX = 400
REST_S_MAX = 120.0

Say = Callable[[str], None]


@dataclass
class Balancer:
    """Sends to the gateways that say they are ready, in turn."""

    urls: list[str]
    ready: set[str] = field(default_factory=set)
    turn: int = 0

    async def watch(self) -> None:
        """Until it is cancelled."""
        async with httpx.AsyncClient(timeout=PROBE_S_MAX, trust_env=False) as http, asyncio.TaskGroup() as group:
            for url in self.urls:
                group.create_task(self._watch(http, url))

    async def sees_all(self) -> None:
        """Waits until every gateway is ready in its eyes."""

        async def all_ready() -> bool | None:
            return self.ready == set(self.urls) or None

        await eventually(all_ready, within_s=STARTED_S_MAX)

    def next(self) -> str:
        """The gateway of the next request."""
        self.turn += 1
        candidates = sorted(self.ready) or self.urls
        return candidates[self.turn % len(candidates)]

    async def _watch(self, http: httpx.AsyncClient, url: str) -> None:
        while True:
            (self.ready.add if await _is_ready(http, url) else self.ready.discard)(url)
            await asyncio.sleep(PROBE_EVERY_S)


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class ClientAnswers:
    """Everything that clients were answered."""

    accepted: Counter[str] = field(default_factory=Counter)
    """Creates answered with 2xx, by surface."""
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """So many requests a second, for so many seconds and until it is ``enough``."""

    seconds: float
    per_second: float
    enough: asyncio.Event


async def run(
    world: World,
    say: Say,
    *,
    seconds: float = 120.0,
    per_second: float = 50.0,
    services: Sequence[str] = SERVICES,
) -> list[str]:
    """Does it, with two replicas of these services (the gateway is one of them); answers what is wrong."""
    routes = await build_create_requests(world)
    answers, began = ClientAnswers(), await world.databases["gateway"].fetchval("SELECT now()")
    async with AsyncExitStack() as opened:
        second = {name: await opened.enter_async_context(replica(world.stack, name)) for name in services}
        http = await opened.enter_async_context(httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False, limits=LIMITS))
        balancer = Balancer([world.url, second["gateway"].url])
        watching = asyncio.create_task(balancer.watch())
        await balancer.sees_all()
        rolled = asyncio.Event()
        load = asyncio.create_task(send_load(http, balancer, routes, answers, Pace(seconds, per_second, rolled)))
        try:
            async for line in _restart_each(world, second, balancer):
                say(line)
            rolled.set()
            lasted = await load
        finally:
            load.cancel()
            watching.cancel()
        logs = (world.stack.profile.home / "logs" / "gateway.log", second["gateway"].log)
        wrong = [*answers.broken, *find_surprises(logs), *[line async for line in check_books(world, answers, began)]]
    say(
        f"{answers.requests} requests in {lasted:.0f} s, {answers.requests / lasted:.0f}/s: "
        f"answers {dict(sorted(answers.statuses.items()))}, refused {dict(answers.refusals)}"
    )
    return wrong


LIMITS = httpx.Limits(max_connections=IN_FLIGHT_MAX, max_keepalive_connections=50, keepalive_expiry=2.0)
"""An idle connection is given up well before the server closes it, which would lose a request sent at that moment."""


async def _restart_each(world: World, replicas: dict[str, Replica], balancer: Balancer) -> AsyncIterator[str]:
    """Each process of each service, one after another; a line for each that is back."""
    for service in replicas:
        await balancer.sees_all()
        before = world.stack.pid(service)
        world.stack.kill(service, signal.SIGTERM)

        async def is_another(service: str = service, before: int | None = before) -> bool | None:
            return world.stack.pid(service) not in (before, None) or None

        await eventually(is_another, within_s=STARTED_S_MAX)
        await asyncio.to_thread(world.stack.wait_ready, service, STARTED_S_MAX)
        yield f"{service}: the first replica was restarted"
        await balancer.sees_all()
        second = replicas[service]
        second.terminate()
        status = await second.wait_until_ended()
        second.start()
        await second.wait_until_ready()
        yield f"{service}: the second replica ended with {status} and was restarted"


async def send_load(
    http: httpx.AsyncClient, balancer: Balancer, routes: dict[str, CreateRequest], answers: ClientAnswers, pace: Pace
) -> float:
    """How many seconds it lasted."""
    clock = asyncio.get_running_loop().time
    began, sent = clock(), 0
    async with asyncio.TaskGroup() as group:
        while clock() - began < pace.seconds or not pace.enough.is_set():
            due = int((clock() - began) * pace.per_second)
            while (
                sent < due and answers.requests - sum(answers.statuses.values()) - len(answers.broken) < IN_FLIGHT_MAX
            ):
                surface = list(routes)[sent // 2 % len(routes)]
                act = _create if sent % 2 == 0 else _read
                group.create_task(act(http, balancer, surface, routes[surface], answers))
                sent += 1
                answers.requests += 1
            await asyncio.sleep(0.01)
        return clock() - began


async def _create(
    http: httpx.AsyncClient, balancer: Balancer, surface: str, create: CreateRequest, answers: ClientAnswers
) -> None:
    headers = {**create.headers, **ORDERS}
    body = create.body | ({"response_format": "url"} if surface == "openai" else {})
    answer = await _send(
        http, balancer, f"create on {surface}", answers, "POST", create.path, headers=headers, json=body
    )
    if answer is not None and answer.is_success:
        answers.accepted[surface] += 1


LISTS = {
    "b2b": "/v1/generations",
    "trpc": "/api/trpc/tryOn.list",
    "stories": "/api/story-generations",
    "form": "/api/generate/list",
    "images": "/v1/generations",
    "on-model": "/v1/models?onmodel",
    "native": "/v1/generations",
    "openai": "/v1/models",
}
"""What is read of each surface."""


async def _read(
    http: httpx.AsyncClient, balancer: Balancer, surface: str, create: CreateRequest, answers: ClientAnswers
) -> None:
    await _send(http, balancer, f"read on {surface}", answers, "GET", LISTS[surface], headers=create.headers)


async def _send(
    http: httpx.AsyncClient, balancer: Balancer, what: str, answers: ClientAnswers, method: str, path: str, **more: Any
) -> httpx.Response | None:
    """The answer; None where there was none, which is a violation. A refused connection goes to the next gateway."""
    for _ in range(len(balancer.urls) * 10):
        try:
            answer = await http.request(method, balancer.next() + path, **more)
        except httpx.ConnectError:
            await asyncio.sleep(PROBE_EVERY_S)
            continue
        except httpx.HTTPError as error:
            answers.broken.append(f"{asyncio.get_running_loop().time():.1f} {what}: no answer: {error!r}")
            return None
        answers.statuses[answer.status_code] += 1
        _classify(answer, what, answers)
        return answer
    answers.broken.append(f"{what}: no gateway could be reached")
    return None


def _classify(answer: httpx.Response, what: str, answers: ClientAnswers) -> None:
    if answer.is_success:
        return
    answers.refusals[f"{answer.status_code} {_code_of(answer)}"] += 1
    is_json = "json" in answer.headers.get("content-type", "")
    if answer.status_code != DECLARED.get(what.rpartition(" ")[2], 503) or not is_json:
        answers.broken.append(f"{what}: {answer.status_code} {answer.text[:200]}")


def _code_of(answer: httpx.Response) -> str:
    """The refusal's own word, as far as its shape has one."""
    with suppress(ValueError, TypeError, AttributeError):
        body = answer.json()
        error = body.get("error")
        named = error.get("code") if isinstance(error, dict) else error
        return str(body.get("code") or body.get("error_code") or named)
    return answer.text[:80]


def find_surprises(logs: Iterable[Path]) -> Iterator[str]:
    """What a gateway did not expect, whatever the client got: a line of its log."""
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if '"level": "ERROR"' in line and " failed" in line:
                yield f"{log.name}: {line[:300]}"


_MADE = """
SELECT surface, state, count(*) AS count, sum(credits_captured) AS captured FROM generations
WHERE created_at >= $1 GROUP BY 1, 2
"""


async def check_books(world: World, answers: ClientAnswers, began: object) -> AsyncIterator[str]:
    """What was accepted succeeded and is charged, once; what was not accepted is not charged. And all has ended."""

    async def at_rest() -> bool | None:
        shown = "SELECT count(*) FROM generations WHERE rank < 9 AND created_at >= $1"
        still = await world.count_moving_sagas()
        return still + await world.databases["gateway"].fetchval(shown, began) == 0 or None

    with suppress(TimeoutError):
        await eventually(at_rest, within_s=REST_S_MAX)
    made: dict[str, Counter[str]] = {}
    captured: Counter[str] = Counter()
    for row in await world.databases["gateway"].fetch(_MADE, began):
        made.setdefault(row["surface"], Counter())[row["state"]] = row["count"]
        captured[row["surface"]] += row["captured"]
    for surface in PRICES:
        states = made.get(SURFACE_OF.get(surface, surface), Counter())
        accepted, charged = answers.accepted[surface], captured[SURFACE_OF.get(surface, surface)]
        others = {
            state: count for state, count in states.items() if state not in ("succeeded", "cancelled", "rejected")
        }
        if others:
            yield f"{surface}: not ended, or without need: {others}"
        if states["succeeded"] != accepted:
            yield f"{surface}: {accepted} accepted, {dict(states)}"
        if charged != accepted * PRICES[surface]:
            yield f"{surface}: {accepted} accepted at {PRICES[surface]}, {charged} charged"
    verdict = await world.admin.verify_ledger()
    for line in verdict.violations:
        yield f"the books: {line}"
