"""The clients of a run: they ask, ask again, hang up, cancel and look, and write down every answer they get."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import httpx

from atelier_local.api_client.api_models import TERMINAL
from chaos import deliveries
from chaos.workload import ClientRequest, Reply, request_of
from whole_system.world import World

ANSWER_S_MAX = 60.0
TRIES_MAX = 200
REST_S = 0.2
PATHS = {"native": "/v1/generations", "b2b": "/api/v1/generation/create"}
POOR_EVERY, POOR_CREDITS = 5, 40
"""Each so-manieth client can afford little, so that some are declined."""
RICH_CREDITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Account:
    """One client of the API."""

    kind: str
    id: str
    headers: dict[str, str]
    credits: int


@dataclass
class Load:
    """Every request that was sent, and every answer."""

    world: World
    seed: int
    accounts: Sequence[Account]
    slow: bool = True
    """Whether some requests take seconds."""
    requests: list[ClientRequest] = field(default_factory=list)
    seen: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    """Terminal states that clients read, with the credits in each answer: more than one would be a contradiction."""
    cancels: Counter[int] = field(default_factory=Counter)
    looks: int = 0
    is_resting: bool = False
    """Whether so much is under way that no client sends another request."""
    _numbers: "count[int]" = field(default_factory=count)

    async def run(self, workers: int, stop: asyncio.Event) -> None:
        """So many clients at a time until ``stop``; returns when each has finished what it had begun."""
        async with self._http() as http, asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(http, stop))

    async def insist(self) -> None:
        """Repeats every request that has a key and no answer, until there is one; thousands after a long run, so that
        these clients rest, too."""
        open_ = [request for request in self.requests if request.key and not request.is_settled]
        async with self._http() as http:
            for start in range(0, len(open_), 20):
                while self.is_resting:  # noqa: ASYNC110 - a look at the database sets it
                    await asyncio.sleep(REST_S)
                await asyncio.gather(*(self._until_answered(http, request) for request in open_[start : start + 20]))

    def _http(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=200)
        return httpx.AsyncClient(base_url=self.world.url, timeout=ANSWER_S_MAX, limits=limits, trust_env=False)

    async def _work(self, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self.is_resting:
                await asyncio.sleep(REST_S)
                continue
            request = request_of(self.seed, next(self._numbers), clients=len(self.accounts), slow=self.slow)
            self.requests.append(request)
            match request.manner:
                case "plain":
                    await self._post(http, request)
                case "keyed":
                    await self._until_answered(http, request, stop)
                case "twins":
                    await asyncio.gather(*(self._post(http, request) for _ in range(request.twins)))
                    await self._until_answered(http, request, stop)
                case "hang_up":
                    await self._hang_up(request)
            await self._afterwards(http, request)
            if not request.replies or request.replies[-1].status >= 500:
                await asyncio.sleep(0.2)

    async def _until_answered(
        self, http: httpx.AsyncClient, request: ClientRequest, stop: asyncio.Event | None = None
    ) -> None:
        for _ in range(TRIES_MAX):
            if request.is_settled or (stop and stop.is_set() and request.replies):
                return
            await self._post(http, request)
            if not request.is_settled:
                await asyncio.sleep(0.5)

    async def _post(self, http: httpx.AsyncClient, request: ClientRequest) -> None:
        headers = self.accounts[request.client].headers | request.headers
        try:
            answer = await http.post(PATHS[request.surface], json=request.body, headers=headers)
        except httpx.ConnectError:
            return  # never sent: nothing to answer for
        except httpx.HTTPError:
            request.unanswered += 1
            return
        request.replies.append(Reply(answer.status_code, answer.content))

    async def _hang_up(self, request: ClientRequest) -> None:
        """Sends the head, then some or all of the body, and is gone after a moment."""
        rng = random.Random(f"{self.seed}/hang up/{request.number}")
        headers = self.accounts[request.client].headers | request.headers | {"Content-Type": "application/json"}
        body = json.dumps(request.body).encode()
        sent = body if rng.random() < 0.7 else body[: rng.randrange(len(body))]
        head = [f"POST {PATHS[request.surface]} HTTP/1.1", f"Host: {urlsplit(self.world.url).netloc}"]
        head += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}", "", ""]
        address = urlsplit(self.world.url)
        with suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            request.unanswered += 1
            writer.write("\r\n".join(head).encode() + sent)
            await asyncio.sleep(rng.choice((0.0, 0.005, 0.02, 0.1)))
            writer.transport.abort()

    async def _afterwards(self, http: httpx.AsyncClient, request: ClientRequest) -> None:
        if not request.acceptances:
            return
        id_ = id_of(request, request.acceptances[0])
        if request.cancel_after_s is not None:
            await asyncio.sleep(request.cancel_after_s)
            await self._cancel(http, request, id_)
        if request.delivery is not None:
            await deliveries.take(http, request.delivery, id_, self.accounts[request.client].headers)
        if request.look_after_s is not None:
            await asyncio.sleep(request.look_after_s)
            await self.look(http, request, id_)

    async def _cancel(self, http: httpx.AsyncClient, request: ClientRequest, id_: str) -> None:
        request.cancel_sent = True
        headers = self.accounts[request.client].headers
        with suppress(httpx.HTTPError):
            answer = await http.post(f"/v1/generations/{id_}/cancel", headers=headers)
            self.cancels[answer.status_code] += 1
            if answer.status_code == 200:
                self._remember(id_, answer.json())

    async def look(self, http: httpx.AsyncClient, request: ClientRequest, id_: str) -> None:
        """Reads the generation as its owner."""
        with suppress(httpx.HTTPError):
            answer = await http.get(f"/v1/generations/{id_}", headers=self.accounts[request.client].headers)
            if answer.status_code == 200:
                self.looks += 1
                self._remember(id_, answer.json())

    def _remember(self, id_: str, view: dict[str, object]) -> None:
        credits = view["credits"]
        assert isinstance(credits, dict)
        if view["status"] in TERMINAL:
            self.seen.setdefault(id_, set()).add((str(view["status"]), int(credits["captured"])))


async def open_accounts(world: World, clients: int) -> list[Account]:
    """Stores and users in turn, with credits for plenty or for little."""
    accounts = []
    for number in range(clients):
        credits = POOR_CREDITS if number % POOR_EVERY == POOR_EVERY - 1 else RICH_CREDITS
        if number % 2 == 0:
            store = await world.admin.create_store(f"Chaos {number}")
            kind, id_, headers = "store", store.id, {"Authorization": f"Bearer {store.api_key}"}
        else:
            id_ = await world.admin.create_user(f"chaos-{number}-{random.getrandbits(64):x}@example.com")
            kind, headers = "user", {"Authorization": f"Bearer {await world.admin.issue_token(id_)}"}
        await world.admin.grant(kind, id_, credits, reason="chaos")  # type: ignore[arg-type]
        accounts.append(Account(kind, id_, headers, credits))
    return accounts


def id_of(request: ClientRequest, reply: Reply) -> str:
    """The generation that a reply speaks of."""
    body = json.loads(reply.body)
    return str(body["data"]["session_id"] if request.surface == "b2b" else body["id"])
