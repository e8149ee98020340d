"""``atelier bench``: builds and floors in turn on stacks of their own; medians, ratios, counted costs, proved books."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import counters, idle, overload, page, streams
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
from atelier_local.bench.details import measure_details
from atelier_local.bench.machine import describe_machine
from atelier_local.bench.page import Results
from atelier_local.bench.peers import PeerBooks, open_peers
from atelier_local.bench.peers_install import Installation, install_peers
from atelier_local.bench.rounds import run_rounds
from atelier_local.bench.span_sink import run_span_sink
from atelier_local.bench.streams import allow_open_files
from atelier_local.cli_errors import report_errors
from atelier_local.launcher.environment import OTLP
from atelier_local.launcher.passed_settings import PARTITIONS
from atelier_local.launcher.profile import run_dir

PROFILE = "bench"
LEVELS = "1,8,50,200"
OVERLOAD_SAMPLES = 40
COUNTED = {1: 40, 50: 400}
"""Generations of a counted run, by level."""
SETTINGS = {"ATELIER_TRACE_RATIO": "0.01"} | streams.SETTINGS
"""As in production: one trace in a hundred is recorded."""
RESULTS = "bench-results"
QUICK_ROUNDS, QUICK_SCALE, QUICK_LEVELS = 2, 0.25, "1,8,50"
"""Two rounds, one in each order: what runs first on a busy machine is not always the same."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and at which levels."""

    levels: Sequence[int]
    rounds: int
    scale: float
    details: bool
    """Whether admission, reads, streams, overload and idle are measured, too."""


def bench(
    revision: Annotated[list[str] | None, typer.Option(help="A git revision to run against; may be repeated.")] = None,
    control: Annotated[bool, typer.Option(help="Run this build twice: how far equal builds differ.")] = False,
    traced: Annotated[bool, typer.Option(help="Run this build with no trace and with every trace, too.")] = False,
    capped: Annotated[bool, typer.Option(help="Run this build with six caps on each account, too.")] = False,
    no_receipts: Annotated[bool, typer.Option("--no-receipts", help="Run it without receipts and log, too.")] = False,
    replicas: Annotated[bool, typer.Option("--replicas", help="Run two processes of each service, too.")] = False,
    partitions: Annotated[list[int] | None, typer.Option(help="Run it in so many partitions, too; repeatable.")] = None,
    grown: Annotated[int, typer.Option(help="Run this build with so many finished generations, too.")] = 0,
    quick: Annotated[bool, typer.Option(help="Two short rounds and few levels, about three minutes.")] = False,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    peers: Annotated[bool, typer.Option(help="Run Restate, DBOS and Celery too; not when quick.")] = True,
    details: Annotated[bool, typer.Option(help="Measure admission, reads, idle and more, too; not when quick.")] = True,
    docs: Annotated[Path | None, typer.Option(help="Write page, data and picture there, not to .run.")] = None,
    levels: Annotated[str, typer.Option(help=f"How many are in flight, by commas; {LEVELS} unless quick.")] = "",
    scale: Annotated[float, typer.Option(min=0.05, help="Shortens or lengthens every round.")] = 1.0,
    profile: Annotated[str, typer.Option(help="Which local stack; it is created for this and removed.")] = PROFILE,
) -> None:
    """Whole generations a second (POST to captured), beside other builds and the floors, all durable."""
    console = Console(highlight=False, soft_wrap=True)
    if quick:
        rounds, scale = QUICK_ROUNDS, QUICK_SCALE
    text = levels or (QUICK_LEVELS if quick else LEVELS)
    plan = Plan([int(level) for level in text.split(",")], rounds, scale, details and not quick)
    with report_errors(), ExitStack() as running:
        builds = [this_build(profile)]
        if control:
            builds.append(this_build(f"{profile}-control", "this build again"))
        if traced:
            builds += _traced_builds(profile, running.enter_context(run_span_sink()))
        builds += _varied_builds(profile, capped=capped, no_receipts=no_receipts, grown=grown)
        builds += _divided_builds(profile, partitions or (), doubled=replicas)
        builds += [build_of(name) for name in revision or ()]
        for line in describe_machine():
            console.print(line)
        results = _run(builds, plan, console, peers=peers and not quick)
        _show(results, console)
        folder = docs or run_dir() / RESULTS
        page.write(results, folder)
        console.print(f"written to {folder}")


def _traced_builds(profile: str, sink: str) -> list[Build]:
    every = {"ATELIER_TRACE_RATIO": "1"}
    return [
        this_build(f"{profile}-untraced", "this build, no trace", {"ATELIER_TRACE_RATIO": "0"}),
        this_build(f"{profile}-sent", "this build, every trace sent", every | {OTLP: sink}),
        this_build(f"{profile}-traced", "this build, every trace, viewer beside it", every),
    ]


def _varied_builds(profile: str, *, capped: bool, no_receipts: bool, grown: int) -> Iterator[Build]:
    if capped:
        yield this_build(f"{profile}-capped", "this build, six caps each", capped=True)
    if no_receipts:
        yield this_build(f"{profile}-no-receipts", "this build, no receipts", receipts=False)
    if grown:
        number = f"{grown:,}".replace(",", " ")
        yield this_build(f"{profile}-grown", f"this build, {number} finished", grown=grown)


def _divided_builds(profile: str, partitions: Sequence[int], *, doubled: bool) -> Iterator[Build]:
    for count in partitions:
        settings = {PARTITIONS: str(count)}
        yield this_build(f"{profile}-{count}", f"this build, {count} partitions", settings)
        if doubled:
            yield this_build(f"{profile}-{count}x2", f"two of each, {count} partitions", settings, doubled=True)
    if doubled:
        yield this_build(f"{profile}-x2", "two of each service", doubled=True)


def _run(builds: Sequence[Build], plan: Plan, console: Console, *, peers: bool) -> Results:
    allow_open_files()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # no stack outlives this command
    installed = _peers(console) if peers else None
    try:
        for build in builds:
            start(build, console)
        results = asyncio.run(_measure(builds, installed, plan, console))
        if installed is not None:
            results.lines += [f"skipped: {name}, {reason}" for name, reason in installed.skipped.items()]
        if plan.details:
            results.lines += _measure_rest(builds[0])
        return results
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


async def _measure(builds: Sequence[Build], installed: Installation | None, plan: Plan, console: Console) -> Results:
    async with AsyncExitStack() as opened:
        ateliers = [await opened.enter_async_context(open_contender(build)) for build in builds]
        floor_url = builds[0].environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]
        contenders: list[Contender] = [*ateliers, FloorContender(floor_url), BatchedFloorContender(floor_url)]
        books: PeerBooks | None = None
        if installed is not None:
            amqp_url = builds[0].environment()["ATELIER_AMQP_URL"]
            started, books = await opened.enter_async_context(
                open_peers(installed, builds[0].database_url("postgres"), amqp_url)
            )
            contenders += started
        samples = await run_rounds(
            contenders, levels=plan.levels, rounds=plan.rounds, scale=plan.scale,
            show=lambda sample: console.print(_line(sample)),
        )  # fmt: skip
        counted = {
            (atelier.name, level): await count(atelier, level)
            for level in plan.levels
            if level in COUNTED
            for atelier in ateliers
        }
        details = None
        if plan.details:
            details = await measure_details(ateliers, rounds=plan.rounds, scale=plan.scale, show=console.print)
        proved = [each for each in ateliers if not each.build.grown]  # copies move no balances
        lines = [
            f"tables and indexes of {each.name}: {await each.stored_bytes() / 1_000:.1f} kB a generation, dead rows too"
            for each in proved
        ]
        lines += [f"books of {each.name} in order: {await each.verify()} postings" for each in proved]
        lines += [] if details is None else details.sentences()
        if books is not None:
            lines.append(f"books of the peers in order: {await books.verify()} generations")
    return Results(describe_machine(), samples, counted, details, lines)


async def count(atelier: AtelierContender, level: int) -> Counts:
    """What one generation costs at that level, less what the idle stack does in the same time."""
    async with counters.open_counters(atelier.build.database_url("postgres"), atelier.connection) as counting:
        return await counting.count_each(lambda: atelier.load(level, COUNTED[level]), COUNTED[level])


def _show(results: Results, console: Console) -> None:
    for table in page.tables(results):
        console.print("\n" + "\n".join(table))
    console.print()
    for line in (*results.lines, *results.machine):
        console.print(line)


def _measure_rest(build: Build) -> list[str]:
    """Idle, and one owner's overload beside another's requests."""
    known = build.environment()
    resting = idle.measure(known)
    line = f"idle: the four services use {resting.core_percent:.1f} % of a core and {resting.memory_mb:.0f} MB"
    return [line, *asyncio.run(_overload(known))]


async def _overload(known: dict[str, str]) -> Sequence[str]:
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
    return overload.lines(pictures, logins, memory)


def _line(sample: Sample) -> str:
    journey = f", journey {sample.journeys_ms['p50']:.0f} ms" if sample.journeys_ms else ""
    cpu = f", CPU {sum(sample.cpu_ms.values()):.1f} ms each" if sample.cpu_ms else ""
    return (
        f"  round {sample.round + 1}, {sample.in_flight:>3} in flight, {sample.contender}: "
        f"{sample.per_second:.1f}/s{journey}{cpu} (load {sample.load:.1f})"
    )
