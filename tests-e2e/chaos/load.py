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
from chaos.asks import Ask, Reply, ask_of
from whole_system.world import World

ANSWER_S_MAX = 60.0
TRIES_MAX = 200
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
    """Everything that was asked, and everything that was answered."""

    world: World
    seed: int
    accounts: Sequence[Account]
    slow: bool = True
    """Whether some of what is asked for takes seconds."""
    asks: list[Ask] = field(default_factory=list)
    seen: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    """Terminal states that clients read, with the credits they were told: more than one would be a lie."""
    cancels: Counter[int] = field(default_factory=Counter)
    looks: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    async def run(self, workers: int, stop: asyncio.Event) -> None:
        """So many clients at a time until ``stop``; returns when each has finished what it had begun."""
        async with self._http() as http, asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(http, stop))

    async def insist(self) -> None:
        """Whoever has a key and no answer asks again until there is one."""
        open_ = [ask for ask in self.asks if ask.key and not ask.settled]
        async with self._http() as http:
            for start in range(0, len(open_), 20):
                await asyncio.gather(*(self._until_answered(http, ask) for ask in open_[start : start + 20]))

    def _http(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=200)
        return httpx.AsyncClient(base_url=self.world.url, timeout=ANSWER_S_MAX, limits=limits, trust_env=False)

    async def _work(self, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            ask = ask_of(self.seed, next(self._numbers), clients=len(self.accounts), slow=self.slow)
            self.asks.append(ask)
            match ask.manner:
                case "plain":
                    await self._post(http, ask)
                case "keyed":
                    await self._until_answered(http, ask, stop)
                case "twins":
                    await asyncio.gather(*(self._post(http, ask) for _ in range(ask.twins)))
                    await self._until_answered(http, ask, stop)
                case "hang_up":
                    await self._hang_up(ask)
            await self._afterwards(http, ask)
            if not ask.replies or ask.replies[-1].status >= 500:
                await asyncio.sleep(0.2)

    async def _until_answered(self, http: httpx.AsyncClient, ask: Ask, stop: asyncio.Event | None = None) -> None:
        for _ in range(TRIES_MAX):
            if ask.settled or (stop and stop.is_set() and ask.replies):
                return
            await self._post(http, ask)
            if not ask.settled:
                await asyncio.sleep(0.5)

    async def _post(self, http: httpx.AsyncClient, ask: Ask) -> None:
        headers = self.accounts[ask.client].headers | ask.headers
        try:
            answer = await http.post(PATHS[ask.surface], json=ask.body, headers=headers)
        except httpx.ConnectError:
            return  # never sent: nothing to answer for
        except httpx.HTTPError:
            ask.unanswered += 1
            return
        ask.replies.append(Reply(answer.status_code, answer.content))

    async def _hang_up(self, ask: Ask) -> None:
        """Sends the head, then some or all of the body, and is gone after a moment."""
        rng = random.Random(f"{self.seed}/hang up/{ask.number}")
        headers = self.accounts[ask.client].headers | ask.headers | {"Content-Type": "application/json"}
        body = json.dumps(ask.body).encode()
        sent = body if rng.random() < 0.7 else body[: rng.randrange(len(body))]
        head = [f"POST {PATHS[ask.surface]} HTTP/1.1", f"Host: {urlsplit(self.world.url).netloc}"]
        head += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}", "", ""]
        address = urlsplit(self.world.url)
        with suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            ask.unanswered += 1
            writer.write("\r\n".join(head).encode() + sent)
            await asyncio.sleep(rng.choice((0.0, 0.005, 0.02, 0.1)))
            writer.transport.abort()

    async def _afterwards(self, http: httpx.AsyncClient, ask: Ask) -> None:
        if not ask.accepted:
            return
        id_ = id_of(ask, ask.accepted[0])
        if ask.cancel_after_s is not None:
            await asyncio.sleep(ask.cancel_after_s)
            await self._cancel(http, ask, id_)
        if ask.look_after_s is not None:
            await asyncio.sleep(ask.look_after_s)
            await self.look(http, ask, id_)

    async def _cancel(self, http: httpx.AsyncClient, ask: Ask, id_: str) -> None:
        ask.cancel_sent = True
        headers = self.accounts[ask.client].headers
        with suppress(httpx.HTTPError):
            answer = await http.post(f"/v1/generations/{id_}/cancel", headers=headers)
            self.cancels[answer.status_code] += 1
            if answer.status_code == 200:
                self._remember(id_, answer.json())

    async def look(self, http: httpx.AsyncClient, ask: Ask, id_: str) -> None:
        """Reads the generation as its owner."""
        with suppress(httpx.HTTPError):
            answer = await http.get(f"/v1/generations/{id_}", headers=self.accounts[ask.client].headers)
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


def id_of(ask: Ask, reply: Reply) -> str:
    """The generation that a reply speaks of."""
    told = json.loads(reply.body)
    return str(told["data"]["session_id"] if ask.surface == "b2b" else told["id"])
