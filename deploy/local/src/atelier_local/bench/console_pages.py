"""``atelier bench-console``: the server time of each page of the console, in an installation that has run for long."""

import asyncio
import re
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer
from rich.console import Console

from atelier_local.bench.builds import Build, this_build
from atelier_local.bench.command import start
from atelier_local.bench.contenders import AtelierContender, machine_load, open_contender, quantiles_ms
from atelier_local.bench.growth import grow
from atelier_local.bench.machine import describe_machine
from atelier_local.bench.processor_time import milliseconds_each, processor_time
from atelier_local.cli_errors import report_errors
from atelier_local.errors import StackError

PROFILE = "bench-console"
GENERATIONS = 1_000_000
FAILED_SHARE = 50
"""One of so many failed."""
HALF_A_DAY_MS = 43_200_000
FAILURES = 50
VISITS = 40
WARM_UP = 3
PAGE_S_MAX = 90.0
_GENERATION = re.compile(r"/console/generations/([0-9a-f-]{36})")
_ACCOUNT = re.compile(r"/console/accounts/(\w+)/([0-9a-f-]{36})")
PAGES: Mapping[str, str] = {
    "overview": "",
    "generations": "/generations",
    "generations, 20 pages back": "{far}",
    "generations, in flight": "/generations?state=open",
    "generations, failed": "/generations?state=failed",
    "generations, cancelled": "/generations?state=cancelled",
    "generations of an account": "/generations?owner_kind={kind}&owner_id={owner}",
    "a generation": "/generations/{generation}",
    "search, an id": "/search?q={generation}",
    "search, by a text of none": "/search?q=unheard-of-123",
    "failures, a day": "/failures?period=day",
    "failures, a week": "/failures?period=week",
    "dead letters": "/dead-letters",
    "accounts": "/accounts",
    "an account": "/accounts/{kind}/{owner}",
    "providers": "/providers",
    "providers, a week": "/providers?hours=168",
    "webhooks": "/webhooks",
    "webhooks, failed": "/webhooks?state=failed",
    "books": "/books",
    "events": "/events",
    "acts": "/acts",
    "upgrade": "/upgrade",
}


@dataclass(frozen=True, slots=True)
class PageTime:
    """A page's milliseconds until its last byte, and the processor time of a visit by component."""

    name: str
    took_ms: Mapping[str, float]
    cpu_ms: Mapping[str, float]


def bench_console(
    generations: Annotated[int, typer.Option(min=0, help="Finished ones that it has from the start.")] = GENERATIONS,
    visits: Annotated[int, typer.Option(min=5, help="Of each page, one after another.")] = VISITS,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack, to look at plans.")] = False,
    profile: Annotated[str, typer.Option(help="Which local stack; it is created for this and removed.")] = PROFILE,
) -> None:
    """Server time of each page of the console, with a million generations in the tables; needs 10 GB."""
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # no stack outlives this command
    build = this_build(profile)
    with report_errors():
        try:
            start(build, console)
            for line in asyncio.run(_measure(build, generations, visits, console)):
                console.print(line)
        finally:
            if not keep:
                build.clean()


async def _measure(build: Build, generations: int, visits: int, console: Console) -> Sequence[str]:
    async with open_contender(build) as atelier:
        if generations:
            began = time.perf_counter()
            await _fail(atelier)
            rows = await grow(build, generations)
            rows += await grow(build, generations // FAILED_SHARE, state="failed", past_ms=HALF_A_DAY_MS)
            console.print(f"{rows:,} rows for {generations:,} generations in {time.perf_counter() - began:.0f} s")
        times = await measure_pages(build, visits)
    return [*table_of(times), *describe_machine()]


async def _fail(atelier: AtelierContender) -> None:
    """Some that failed, for copies."""
    headers = {"X-Atelier-Simulate": "outcome=fail"}
    for number in range(FAILURES):
        key = atelier.keys[number % len(atelier.keys)]
        async with httpx.AsyncClient(base_url=atelier.url, headers=headers | {"X-API-Key": key}) as http:
            made = await http.post("/v1/generations", json={"kind": "image", "prompt": "a lake", "size": "256x256"})
            made.raise_for_status()


async def measure_pages(build: Build, visits: int) -> list[PageTime]:
    """Each page, visited so often by one operator, after some visits that are not counted."""
    known, pids = build.environment(), build.pids()
    async with httpx.AsyncClient(base_url=known["ATELIER_OPERATIONS_URL"], timeout=PAGE_S_MAX) as http:
        await http.post("/console/login", data={"token": known["ATELIER_ADMIN_TOKEN"]})
        values = await _values(http)
        times = []
        for name, path in PAGES.items():
            address = "/console" + path.format(**values)
            for _ in range(WARM_UP):
                await _visit(http, address)
            before = processor_time(build.home, pids)
            took = [await _visit(http, address) for _ in range(visits)]
            used = milliseconds_each(before, processor_time(build.home, pids), visits)
            times.append(PageTime(name, quantiles_ms(took), used))
    return times


async def _values(http: httpx.AsyncClient) -> dict[str, str]:
    """What the addresses of the pages name, from the list of generations."""
    listed = (await http.get("/console/generations")).text
    generation, account = _GENERATION.search(listed), _ACCOUNT.search(listed)
    if generation is None or account is None:
        raise StackError("The console lists no generation.")
    far = "/console/generations"
    for _ in range(20):
        following = re.search(r'rel="next" href="([^"]+)"', (await http.get(far)).text)
        far = following[1].replace("&amp;", "&") if following else far
    return {
        "generation": generation[1],
        "kind": account[1],
        "owner": account[2],
        "far": far.removeprefix("/console"),
    }


async def _visit(http: httpx.AsyncClient, address: str) -> float:
    """Seconds until the last byte of the page."""
    began = time.perf_counter()
    answer = await http.get(address, follow_redirects=False)
    took = time.perf_counter() - began
    if answer.status_code not in (200, 303):
        raise StackError(f"{address} answered {answer.status_code}")
    return took


def table_of(times: Sequence[PageTime]) -> list[str]:
    """Lines: milliseconds by page, and the processor time of a visit in the gateway, Postgres and the rest."""
    lines = [f"{'page':<28}{'p50 ms':>8}{'p95 ms':>8}{'cpu ms':>8}{'gateway':>9}{'postgres':>9}{'others':>8}"]
    for each in times:
        total = sum(each.cpu_ms.values())
        gateway, postgres = each.cpu_ms.get("gateway", 0.0), each.cpu_ms.get("postgres", 0.0)
        shares = f"{total:>8.1f}{gateway:>9.1f}{postgres:>9.1f}{total - gateway - postgres:>8.1f}"
        lines.append(f"{each.name:<28}{each.took_ms['p50']:>8.1f}{each.took_ms['p95']:>8.1f}{shares}")
    slowest = max(times, key=lambda each: each.took_ms["p95"])
    median = statistics.median(each.took_ms["p95"] for each in times)
    lines.append(f"p95 of the pages: median {median:.1f} ms, most {slowest.took_ms['p95']:.1f} ms ({slowest.name})")
    lines.append(f"load average {machine_load():.1f}")
    return lines
