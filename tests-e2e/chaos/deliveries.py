"""Clients whose generations are charged on delivery: they take outputs, or some, or leave in the middle, or never come;
and what must hold of that: charged is what was delivered."""

import asyncio
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

Taking = Literal["fetch", "fetch some", "acknowledge", "leave in the middle", "never"]
TAKINGS: dict[Taking, int] = {
    "fetch": 30,
    "fetch some": 20,
    "acknowledge": 20,
    "leave in the middle": 15,
    "never": 15,
}
SHARE = 0.35
"""How many of the native requests are charged on delivery."""
WINDOWS_S = (2, 4, 8)
READY_S_MAX = 8.0
DIES = ("kill gateway", "kill all", "gateway died")
"""Faults in which a gateway may die between the last byte of an output and its note of that."""


@dataclass(slots=True)
class Delivery:
    """What the client of one request does, and what it got. Outputs by their numbers, from 0."""

    window_s: int
    taking: Taking
    id: str = ""
    """The generation whose outputs it takes: the first that it was promised."""
    tried: set[int] = field(default_factory=set)
    """It may have got them: it requested them, or said that it has them."""
    fetched: set[int] = field(default_factory=set)
    """It has every byte of them."""
    acknowledged: set[int] = field(default_factory=set)
    """The gateway has taken its word for them."""


def delivery_of(seed: int, number: int) -> Delivery | None:
    """What the client of this request does; None where it is charged on completion."""
    rng = random.Random(f"{seed}/delivery/{number}")
    if rng.random() >= SHARE:
        return None
    return Delivery(rng.choice(WINDOWS_S), rng.choices(list(TAKINGS), list(TAKINGS.values()))[0])


async def take(http: httpx.AsyncClient, delivery: Delivery, id_: str, headers: Mapping[str, str]) -> None:
    """Waits until the outputs can be taken, and does as it is meant to."""
    delivery.id = id_
    if delivery.taking == "never":
        return
    view = await _wait_until_ready(http, id_, headers)
    if view is None:
        return
    outputs = list(enumerate(view["outputs"]))
    if delivery.taking == "acknowledge" or not outputs:
        await _acknowledge(http, delivery, id_, headers, len(outputs) or int(view["n"] or 1))
    elif delivery.taking == "leave in the middle":
        for number, output in outputs:
            delivery.tried.add(number)
            await _leave(output["url"], headers)
    else:
        for number, output in outputs[: 1 if delivery.taking == "fetch some" else None]:
            await _fetch(http, delivery, number, output, headers)


async def _wait_until_ready(http: httpx.AsyncClient, id_: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_S_MAX):
            while True:
                with suppress(httpx.HTTPError):
                    answer = await http.get(f"/v1/generations/{id_}", headers=headers)
                    view: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
                    if view.get("status") == "delivering":
                        return view
                    if view.get("ended_at"):
                        return None
                await asyncio.sleep(0.1)
    return None


async def _fetch(
    http: httpx.AsyncClient, delivery: Delivery, number: int, output: dict[str, Any], headers: Mapping[str, str]
) -> None:
    delivery.tried.add(number)
    with suppress(httpx.HTTPError):
        answer = await http.get(output["url"], headers=headers)
        if answer.status_code == 200 and f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == output["checksum"]:
            delivery.fetched.add(number)


async def _acknowledge(
    http: httpx.AsyncClient, delivery: Delivery, id_: str, headers: Mapping[str, str], made: int
) -> None:
    delivery.tried |= set(range(made))
    for _ in range(3):  # said again, it changes nothing
        with suppress(httpx.HTTPError):
            answer = await http.post(f"/v1/generations/{id_}/delivery", headers=headers)
            if answer.status_code in (200, 202):
                delivery.acknowledged |= {each["output"] for each in answer.json()["delivery"]["delivered"]}


async def _leave(url: str, headers: Mapping[str, str]) -> None:
    """Reads the beginning of an output and is gone."""
    address = urlsplit(url)
    head = [f"GET {address.path} HTTP/1.1", f"Host: {address.netloc}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write("\r\n".join([*head, "", ""]).encode())
        await reader.readexactly(16)
        writer.transport.abort()


def describe(known: Sequence[Delivery | None]) -> str:
    """How many outputs clients took by which way."""
    taken = [delivery for delivery in known if delivery is not None]
    fetched, acknowledged = sum(len(each.fetched) for each in taken), sum(len(each.acknowledged) for each in taken)
    never = sum(not each.tried for each in taken)
    return f"{len(taken)} requests, {fetched} outputs fetched, {acknowledged} acknowledged, {never} never came"


def violations(
    id_: str, saga: Mapping[str, Any], captured: int, unit_credits: int, delivery: Delivery, faults: Sequence[str]
) -> Iterator[str]:
    """Of one generation that has ended. ``faults`` is what was done to the system."""
    record = json.loads(saga["delivery"] or "{}").get("delivered", ())
    delivered = {each["output"] for each in record}
    if captured != unit_credits * len(delivered):
        yield f"{id_} {saga['state']}, outputs {sorted(delivered)} delivered, charged {captured}"
    if delivery.id != id_:
        if delivered:
            yield f"{id_} is charged for {sorted(delivered)}, and nobody took it"
        return
    if not delivered <= delivery.tried:
        yield f"{id_} is charged for {sorted(delivered - delivery.tried)}, which its client never took"
    if not delivery.acknowledged <= delivered:
        yield f"{id_} was acknowledged {sorted(delivery.acknowledged)}, and {sorted(delivered)} are charged"
    if not delivery.fetched <= delivered and not any(fault in line for line in faults for fault in DIES):
        yield f"{id_} was fetched {sorted(delivery.fetched)}, and {sorted(delivered)} are charged"
