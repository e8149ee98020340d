"""``atelier bench-storage`` and ``atelier bench-endurance``: where a generation's bytes go, what grows under load."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from atelier_local.bench.builds import Build, build_of, this_build
from atelier_local.bench.command import PROFILE, start
from atelier_local.bench.contenders import AtelierContender, open_contender
from atelier_local.bench.counters import open_counters
from atelier_local.bench.endurance import dead_rows_table, endure, memory_lines
from atelier_local.bench.machine import describe_machine
from atelier_local.bench.storage import Storage, growth_table, log_table, measure_storage
from atelier_local.cli_errors import report_errors

SETTLE_S = 4.0
"""Until receipts are issued, entries are in the log and the outbox is empty."""


def bench_storage(
    revision: Annotated[str, typer.Option(help="A git revision to look at instead of this build.")] = "",
    in_flight: Annotated[int, typer.Option(min=1)] = 1,
    generations: Annotated[int, typer.Option(min=10)] = 300,
    full_pages: Annotated[bool, typer.Option(help="With full-page images, as in operation.")] = False,
) -> None:
    """Write-ahead log and stored bytes of a generation, by table and index."""
    _run(revision, partial(_storage, in_flight=in_flight, generations=generations, full_pages=full_pages))


def bench_endurance(
    minutes: Annotated[float, typer.Option(min=0.1, help="An hour is the full form.")] = 5.0,
    in_flight: Annotated[int, typer.Option(min=1)] = 50,
    revision: Annotated[str, typer.Option(help="A git revision to look at instead of this build.")] = "",
) -> None:
    """Load for some time: dead rows and sizes of every table, memory of every service."""
    _run(revision, partial(_endurance, minutes=minutes, in_flight=in_flight))


Measure = Callable[[AtelierContender, Console], Coroutine[Any, Any, Sequence[str]]]


def _run(revision: str, measure: Measure) -> None:
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # no stack outlives this command
    with report_errors():
        build = build_of(revision) if revision else this_build(PROFILE)
        try:
            start(build, console)
            for line in asyncio.run(_measured(build, measure, console)):
                console.print(line)
        finally:
            build.clean()


async def _measured(build: Build, measure: Measure, console: Console) -> Sequence[str]:
    async with open_contender(build) as atelier:
        return await measure(atelier, console)


async def _storage(
    atelier: AtelierContender, console: Console, *, in_flight: int, generations: int, full_pages: bool
) -> Sequence[str]:
    console.print("loading, then rewriting every table ...")

    async def act() -> None:
        await atelier.load(in_flight, generations)
        await asyncio.sleep(SETTLE_S)

    if full_pages:
        measured = await measure_storage(atelier.build, act, generations)
    else:
        async with open_counters(atelier.build.database_url("postgres"), atelier.connection):
            measured = await measure_storage(atelier.build, act, generations)
    return [
        f"{generations} generations of {atelier.name}, {in_flight} in flight",
        *("", *log_table(measured.log)),
        *("", *_kinds(measured)),
        *("", *growth_table(measured.growth)),
    ]


def _kinds(measured: Storage) -> Sequence[str]:
    """The dozen kinds of record that take most."""
    kinds: dict[str, float] = {}
    for share in measured.log:
        kinds[share.kind] = kinds.get(share.kind, 0.0) + share.bytes
    most = sorted(kinds.items(), key=lambda item: -item[1])[:12]
    return [", ".join(f"{kind} {size:.0f}" for kind, size in most)]


async def _endurance(atelier: AtelierContender, console: Console, *, minutes: float, in_flight: int) -> Sequence[str]:
    measured = await endure(atelier, minutes=minutes, in_flight=in_flight, show=console.print)
    return [
        f"{measured.per_second:.0f} generations/s, {in_flight} in flight",
        *("", *dead_rows_table(measured), ""),
        *memory_lines(measured),
        *describe_machine(),
    ]
