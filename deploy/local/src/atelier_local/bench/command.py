"""``atelier bench``: builds and floors in turn on stacks of their own; medians, ratios, counted costs, proved books."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import counters, idle, overload, report
from atelier_local.bench.builds import Build, build_of, this_build
from atelier_local.bench.contenders import (
    CREDITS_EACH,
    AtelierContender,
    BatchedFloorContender,
    Contender,
    FloorContender,
    Sample,
    open_accounts,
    open_contender,
)
from atelier_local.bench.counters import Counts
from atelier_local.bench.machine import describe_machine
from atelier_local.bench.peers import open_peers
from atelier_local.bench.peers_install import Installation, install_peers
from atelier_local.bench.rounds import run_rounds
from atelier_local.bench.summary import summarise
from atelier_local.cli_errors import report_errors
from atelier_local.launcher.profile import run_dir

PROFILE = "bench"
LEVELS = "1,8,50,200"
OVERLOAD_SAMPLES = 40
COUNTED = {1: 40, 50: 400}
"""Generations of a counted run, by level."""
SETTINGS = {"ATELIER_TRACE_RATIO": "0.01"}
"""As in production: one trace in a hundred is recorded."""
RESULTS = "bench-results"
QUICK_ROUNDS, QUICK_SCALE, QUICK_LEVELS = 2, 0.25, "1,8,50"
"""Two rounds, one in each order: what runs first on a busy machine is not always the same."""


def bench(
    revision: Annotated[list[str] | None, typer.Option(help="A git revision to run against; may be repeated.")] = None,
    control: Annotated[bool, typer.Option(help="Run this build twice: how far equal builds differ.")] = False,
    quick: Annotated[bool, typer.Option(help="Two short rounds and few levels, about three minutes.")] = False,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    peers: Annotated[bool, typer.Option(help="Run Restate, DBOS and Celery too; not when quick.")] = True,
    levels: Annotated[str, typer.Option(help=f"How many are in flight, by commas; {LEVELS} unless quick.")] = "",
    scale: Annotated[float, typer.Option(min=0.05, help="Shortens or lengthens every round.")] = 1.0,
    profile: Annotated[str, typer.Option(help="Which local stack; it is created for this and removed.")] = PROFILE,
) -> None:
    """Whole generations a second (POST to captured), beside other builds and the floors, all durable."""
    console = Console(highlight=False, soft_wrap=True)
    if quick:
        rounds, scale = QUICK_ROUNDS, QUICK_SCALE
    levels = levels or (QUICK_LEVELS if quick else LEVELS)
    with report_errors():
        builds = [this_build(profile)]
        if control:
            builds.append(this_build(f"{profile}-control", "this build again"))
        builds += [build_of(name) for name in revision or ()]
        for line in describe_machine():
            console.print(line)
        try:
            for build in builds:
                start(build, console)
            installed = _peers(console) if peers and not quick else None
            asyncio.run(_measure(builds, installed, rounds, list(map(int, levels.split(","))), scale, console))
            if not quick:
                _measure_rest(builds[0], console)
        finally:
            for build in builds:
                build.clean()


def start(build: Build, console: Console) -> None:
    """Starts the stack; its Postgres counts statements."""
    with console.status(f"starting the stack of {build.name} ..."):
        build.up(SETTINGS)
        if asyncio.run(counters.preload(build.database_url("postgres"))):
            build.down()
            build.up(SETTINGS)


def _peers(console: Console) -> Installation:
    with console.status("installing the peers ..."):
        installed = install_peers()
    for name, reason in installed.skipped.items():
        console.print(f"skipped: {name}, since its installation failed: {reason}")
    return installed


async def _measure(
    builds: Sequence[Build],
    installed: Installation | None,
    rounds: int,
    levels: Sequence[int],
    scale: float,
    console: Console,
) -> None:
    async with AsyncExitStack() as opened:
        ateliers = [await opened.enter_async_context(open_contender(build)) for build in builds]
        floor_url = builds[0].environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]
        contenders: list[Contender] = [*ateliers, FloorContender(floor_url), BatchedFloorContender(floor_url)]
        if installed is not None:
            amqp_url = builds[0].environment()["ATELIER_AMQP_URL"]
            started, books = await opened.enter_async_context(
                open_peers(installed, builds[0].database_url("postgres"), amqp_url)
            )
            contenders += started
        samples = await run_rounds(
            contenders, levels=levels, rounds=rounds, scale=scale, show=lambda sample: console.print(_line(sample))
        )
        counted = {
            (atelier.name, level): await count(atelier, level)
            for level in levels
            if level in COUNTED
            for atelier in ateliers
        }
        figures = summarise(samples)
        for table in (report.rates_table(figures), report.cpu_table(figures), report.counts_table(counted)):
            console.print("\n" + "\n".join(table))
        console.print()
        for atelier in ateliers:
            console.print(f"books of {atelier.name} in order: {await atelier.verify()} postings")
        if installed is not None:
            console.print(f"books of the peers in order: {await books.verify()} generations")
    _write(samples, counted)
    for line in describe_machine():
        console.print(line)


async def count(atelier: AtelierContender, level: int) -> Counts:
    """What one generation costs at that level, less what the idle stack does in the same time."""
    async with counters.open_counters(atelier.build.database_url("postgres"), atelier.connection) as counting:
        return await counting.count_each(lambda: atelier.load(level, COUNTED[level]), COUNTED[level])


def _write(samples: Sequence[Sample], counted: dict[tuple[str, int], Counts]) -> None:
    folder = run_dir() / RESULTS
    folder.mkdir(exist_ok=True)
    content = {
        "machine": describe_machine(),
        "samples": [asdict(sample) for sample in samples],
        "counted": [
            {"contender": name, "in_flight": level, **asdict(counts)} for (name, level), counts in counted.items()
        ],
    }
    (folder / "latest.json").write_text(json.dumps(content, indent=1))


def _measure_rest(build: Build, console: Console) -> None:
    known = build.environment()
    resting = idle.measure(known)
    console.print(f"idle: the four services use {resting.core_percent:.1f} % of a core and {resting.memory_mb:.0f} MB")
    asyncio.run(_overload(known, console))


async def _overload(known: dict[str, str], console: Console) -> None:
    """What one owner's overload costs another."""
    url = known["ATELIER_URL"]
    async with AdminClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        (key,) = await open_accounts(admin, accounts=1)
        poor = await admin.create_store("Without credits")
        user = await admin.create_user("bench@example.com")
        await admin.grant("user", user, CREDITS_EACH, reason="bench")
        token = await admin.issue_token(user)
    pictures = await overload.measure_beside_large_pictures(url, poor.api_key, key, samples=OVERLOAD_SAMPLES)
    logins = await overload.measure_beside_wrong_logins(url, key, samples=OVERLOAD_SAMPLES * 5)
    memory = await overload.measure_large_bodies(url, token, int(known["ATELIER_GATEWAY_PID"]))
    for line in overload.lines(pictures, logins, memory):
        console.print(line)


def _line(sample: Sample) -> str:
    journey = f", journey {sample.journeys_ms['p50']:.0f} ms" if sample.journeys_ms else ""
    cpu = f", CPU {sum(sample.cpu_ms.values()):.1f} ms each" if sample.cpu_ms else ""
    return (
        f"  round {sample.round + 1}, {sample.in_flight:>3} in flight, {sample.contender}: "
        f"{sample.per_second:.1f}/s{journey}{cpu} (load {sample.load:.1f})"
    )
