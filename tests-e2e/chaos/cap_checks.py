"""What must be so after many creates under nested caps: each cap within its limit, each refusal true, no room left."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from whole_system.world import World

KEYS = 2
"""Of the spenders, the first ones; the others are members."""
CAPS = 20
WORKS: Sequence[tuple[dict[str, Any], int]] = (
    ({"size": "256x256"}, 3),
    ({"size": "512x512"}, 5),
    ({"size": "256x256", "n": 2}, 6),
)
"""What is requested, with its price."""


@dataclass(frozen=True, slots=True)
class Spender:
    """Who spends: the headers of its requests, and the names of the caps over it."""

    headers: Mapping[str, str]
    under: tuple[str, ...]


@dataclass(slots=True)
class Site:
    """The accounts, with the caps by the id of their spender."""

    store: str
    workspace: str
    spenders: list[Spender]
    names: dict[str, str]
    """By the id of a spender, its name in ``SHARES``."""


@dataclass(slots=True)
class Answer:
    """What one create came to; times are monotonic."""

    spender: int
    price: int
    began: float
    ended: float
    status: int
    body: dict[str, Any]


@dataclass(slots=True)
class Report:
    """What happened, and what is wrong."""

    answers: list[Answer] = field(default_factory=list)
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def check_counts(world: World, site: Site, report: Report, peaks: asyncpg.Connection | None) -> None:
    """Each cap within its limit, at rest and, where commits were watched, at every moment."""
    query = "SELECT id, spender_id::text, period, credits, held, captured FROM caps WHERE owner_id = ANY($1::uuid[])"
    caps = await world.databases["billing"].fetch(query, [site.store, site.workspace])
    most = {}
    if peaks is not None:
        most = {row["id"]: row["used"] for row in await peaks.fetch("SELECT id, used FROM cap_peaks")}
    report.wrong += [] if len(caps) == CAPS else [f"{len(caps)} caps instead of {CAPS}"]
    for cap in caps:
        name, used = site.names[cap["spender_id"]], cap["held"] + cap["captured"]
        peak = most.get(cap["id"], used)
        if max(used, peak) > cap["credits"]:
            report.wrong.append(f"{name} a {cap['period']}: {max(used, peak)} of {cap['credits']} credits")
        report.lines.append(f"  {name:<10} {cap['period']:<6} {used:>8} used of {cap['credits']:>8}, at most {peak:>8}")


def check_refusals(report: Report) -> None:
    """What each refusal says leaves no room, and is no more than was admitted by then."""
    admitted = sorted((answer for answer in report.answers if answer.status == 201), key=lambda answer: answer.began)
    times = [answer.began for answer in admitted]
    sums: dict[str, list[int]] = {}
    refused = [answer for answer in report.answers if answer.status == 402]
    named: Counter[str] = Counter()
    for answer in refused:
        cap = answer.body.get("cap")
        if cap is None:
            report.wrong.append(f"a 402 without a cap: {answer.body}")
            continue
        named[f"{cap['spender']['kind']} a {cap['period']}"] += 1
        used = cap["held"] + cap["captured"]
        if used + answer.price <= cap["credits"]:
            report.wrong.append(f"refused {answer.price} with {used} of {cap['credits']} used")
        if cap["id"] not in sums:
            sums[cap["id"]] = _running_sums(admitted, cap, answer)
        by_then = sums[cap["id"]][_count_until(times, answer.ended)]
        if used > by_then:
            report.wrong.append(f"refused for {used} used, and only {by_then} were admitted by then")
    report.lines.append(f"refused by: {dict(named)}")


def _running_sums(admitted: Sequence[Answer], cap: Mapping[str, Any], refused: Answer) -> list[int]:
    """What was admitted under the cap that refused this create, added up in the order of the requests."""
    is_owner, is_store = cap["spender"]["id"] == cap["owner"]["id"], cap["owner"]["kind"] == "store"

    def is_under(answer: Answer) -> bool:
        return (answer.spender < KEYS) == is_store if is_owner else answer.spender == refused.spender

    prices: Iterator[int] = (answer.price if is_under(answer) else 0 for answer in admitted)
    return list(itertools.accumulate(prices, initial=0))


def _count_until(times: Sequence[float], moment: float) -> int:
    low, high = 0, len(times)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if times[middle] < moment else (low, middle)
    return low


async def check_last_room(world: World, site: Site, report: Report) -> None:
    """At rest each spender asks for the cheapest picture until it is refused: then less than its price is left."""
    cheapest, price = WORKS[0]
    body = {"kind": "image", "prompt": "a red bicycle", **cheapest}
    async with aiohttp.ClientSession() as session:
        for spender in site.spenders:
            headers = {**spender.headers, "X-Atelier-Simulate": "outcome=succeed, picture=none"}
            filled, refused = 0, None
            while refused is None:
                async with session.post(f"{world.url}/v1/generations", json=body, headers=headers) as reply:
                    answer = await reply.json(content_type=None)
                filled += reply.status == 201
                refused = answer if reply.status != 201 else None
            left = refused["cap"]["remaining"] if "cap" in refused else None
            if left is None or left >= price:
                report.wrong.append(f"{spender.under}: refused with {left} credits left: {refused}")
            report.lines.append(
                f"  {spender.under[1]:<10} {filled} more pictures fitted, then {left} credits were left"
            )
