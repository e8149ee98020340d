"""One run: load, faults in the order of the seed, quiet, and then the questions."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg
import httpx

from atelier_billing.verification import verify
from atelier_local.errors import StackError
from atelier_local.launcher.passed_settings import PARTITIONS
from atelier_messaging import until_available
from atelier_messaging.link import Link
from chaos import faults, reconciliation
from chaos.coverage import count_generations, count_states
from chaos.findings import Findings
from chaos.invariants import examine
from chaos.load import Load, id_of, open_accounts
from chaos.message_recorder import MessageRecorder
from chaos.schedule import NO_GOALS, SERVICES, TURNS_MAX, FaultOutcome, Goals, NotDone, Progress, next_turn
from chaos.second_processes import open_second_processes
from chaos.site import Site
from whole_system.subscriber import rebuild_balances
from whole_system.world import World

WATCH_EVERY_S = 1.0
QUIET_S_MAX = 400.0
"""The session looks at a discard after 5 s, then twice as long each time: after 320 s for the seventh time."""
IN_FLIGHT_MAX = 200
"""With more sagas under way the clients rest: what waits longer than its deadline has a right to expire."""
RECOVERED_SHARE = 0.8
"""How often the next fault waits until a fault is over; else it comes on top."""
NOTICED_S = 0.2
"""Longer than the supervisor takes to notice that a process has died."""
SETTINGS = {
    "ATELIER_SESSION_RESEND_S": "5",
    "ATELIER_SESSION_STOP_GRACE_S": "5",
    "ATELIER_STANDING_AFTER_S": "10",
    "ATELIER_STANDING_CHECK_EVERY_S": "2",
    "ATELIER_UNCONFIRMED_AFTER_S": "5",
    "ATELIER_RENDER_ATTEMPT_S": "2",
    "ATELIER_RENDER_RECONCILE_S": "3",
    "ATELIER_RENDER_SWEEP_EVERY_S": "10",
    "ATELIER_RENDER_SWEEP_GRACE_S": "60",
    "ATELIER_TRACE_RATIO": "0.01",
    "RATE_LIMIT_ENABLED": "false",
    "ATELIER_FAILED_LOGINS_PER_MINUTE": "100000",
    **reconciliation.SETTINGS,
    "ATELIER_RECONCILE_SHARE": "1",
}
"""Short patience, so that what waits for a clock ends within a run."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. ``names`` are the faults in their order."""

    seed: int
    names: Sequence[str]
    pause_s: float = 1.5
    """The longest pause between two faults."""
    workers: int = 8
    clients: int = 10
    orphans_s: float = 0.0
    """How long objects without an owner may take to be collected; 0: this stack collects none within a run."""
    slow: bool = True
    """Whether some requests take seconds."""
    goals: Goals = NO_GOALS
    """Faults are done until these are reached."""
    doubled: bool = False
    """Whether session and billing have a second process each, which is killed now and then, too."""

    @property
    def command(self) -> str:
        """What does it again: the same requests, and the same faults in the same order."""
        partitions = os.environ.get(PARTITIONS)
        words = [f"{PARTITIONS}={partitions}"] if partitions else []
        return " ".join([*words, f"make chaos SEED={self.seed}", *(["REPLICAS=1"] if self.doubled else [])])


@dataclass
class Watch:
    """What must hold at every moment, looked at again and again while the faults happen."""

    world: World
    load: Load
    ends: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    broken: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Until it is cancelled. An unavailable database is checked when it is back."""
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.look()
            await asyncio.sleep(WATCH_EVERY_S)

    async def look(self) -> None:
        """I1, I2, I3 in one snapshot; I4 against all earlier looks. And whether the load may go on."""
        self.load.is_resting = await self.world.count_moving_sagas() > IN_FLIGHT_MAX
        async with self.world.databases["billing"].acquire(timeout=5) as connection:
            verdict = await verify(connection)
        self.broken += [f"while at work: {line}" for line in verdict.violations]
        rows = await self.world.databases["session"].fetch(
            "SELECT generation_id, state FROM sagas"
            " WHERE state IN ('rejected', 'succeeded', 'failed', 'cancelled', 'expired')"
        )
        for row in rows:
            before = self.ends.setdefault(str(row["generation_id"]), row["state"])
            if before != row["state"]:
                self.broken.append(f"I4: generation {row['generation_id']} was {before} and is {row['state']}")
        self.looks += 1


async def run(world: World, plan: Plan, say: Say, link: Link | None = None) -> Findings:
    """Does it all; the findings hold what was checked on the system afterwards and the results. ``link`` is the
    gateway's way to the broker."""
    rng = random.Random(f"{plan.seed}/faults")
    known = world.stack.environment()
    recorder = MessageRecorder(known["ATELIER_AMQP_URL"])
    site = Site(world.stack, recorder, Path(known["ATELIER_FAILPOINTS"]), rng, world, link)
    load = Load(world, plan.seed, await open_accounts(world, plan.clients), plan.slow)
    watch = Watch(world, load)
    await recorder.open()
    watching = asyncio.create_task(watch.run())
    try:
        progress, second = await _beside_second_processes(load, site, plan, say)
        await site.wait_until_ready()
        settled = sum(request.is_settled for request in load.requests)
        say(f"faults are over; {len(load.requests)} sent, {settled} answered for good")
        await load.insist()
        moving = await _quiet(load, say)
        await _read_everything(load)
        findings = Findings(plan.seed, plan.command, progress, load, watch.broken + site.broken)
        reached = f"{progress.generations} generations, {progress.kills} kills"
        findings.add("goals", reached, progress.lacking(plan.goals))
        if plan.doubled:
            findings.add("second processes", second, ())
        await examine(findings, world, recorder, site, watch, moving, orphans_s=plan.orphans_s)
        findings.add(*await _read_public_events(world))
        return findings
    finally:
        watching.cancel()
        await recorder.close()


async def _beside_second_processes(load: Load, site: Site, plan: Plan, say: Say) -> tuple[Progress, str]:
    """The faults, and what became of the second processes, if there are any. They end with the faults, so that the
    stack's own processes are left with all partitions."""
    if not plan.doubled:
        return await _under_load(load, site, plan, say), ""
    async with open_second_processes(site.stack, random.Random(f"{plan.seed}/second")) as second:
        killing = asyncio.create_task(second.kill_again_and_again())
        try:
            progress = await _under_load(load, site, plan, say)
        finally:
            killing.cancel()
        await site.wait_until_ready()
        await second.wait_until_ready()
    return progress, str(second)


async def _under_load(load: Load, site: Site, plan: Plan, say: Say) -> Progress:
    stop, began, progress = asyncio.Event(), time.monotonic(), Progress()
    rng = random.Random(f"{plan.seed}/kills")
    clients = asyncio.create_task(load.run(plan.workers, stop))
    try:
        await asyncio.sleep(site.rng.uniform(0.1, plan.pause_s))
        names: Sequence[str] = plan.names
        for _ in range(1 + TURNS_MAX):
            for name in names:
                progress.outcomes.append(outcome := await _break(name, site, began, plan.pause_s))
                say(str(outcome))
            await until_available(partial(_count, load, progress), what="counting what was reached", pause_s=1.0)
            if not (names := next_turn(progress, plan.goals, plan.names, rng)):
                break
    finally:
        stop.set()
        _thaw(site)
        await clients
    return progress


async def _count(load: Load, progress: Progress) -> None:
    progress.generations = await count_generations(load)
    progress.states = await count_states(load.world, progress.outcomes)


async def _break(name: str, site: Site, began: float, pause_s: float) -> FaultOutcome:
    """Does a fault and, mostly, waits until all parts have recovered; then pauses."""
    at, after_s = datetime.now(UTC), time.monotonic() - began
    try:
        said, done = await faults.do(name, site), True
    except NotDone as error:
        said, done = str(error), False
    if name.startswith("kill ") and len(name.split()) > 2:  # at a step, or while another is frozen: at the end of it
        at = datetime.now(UTC)
    ended, recovery_s = time.monotonic(), None
    if site.rng.random() < RECOVERED_SHARE:
        await asyncio.sleep(NOTICED_S)
        await site.wait_until_ready()
        recovery_s = time.monotonic() - ended
    await asyncio.sleep(site.rng.uniform(0.1, pause_s))
    return FaultOutcome(name, after_s, at, said, done, recovery_s)


def _thaw(site: Site) -> None:
    for part in ("rabbitmq", "objectstore", *SERVICES):
        with suppress(StackError):
            site.stack.kill(part, signal.SIGCONT)


async def _quiet(load: Load, say: Say) -> list[str]:
    """Waits until nothing moves any more. Answers what still moves when the patience is over: it should be nothing."""
    began, moving = time.monotonic(), [""]
    while moving and time.monotonic() - began < QUIET_S_MAX:
        await asyncio.sleep(0.3)
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            moving = await find_moving(load)
    say(f"quiet after {time.monotonic() - began:.1f} s" if not moving else f"never quiet: {moving}")
    return moving


async def find_moving(load: Load) -> list[str]:
    """What of this load still moves, by service."""
    databases, moving = load.world.databases, []
    owners = [account.id for account in load.accounts]
    for service, pool in databases.items():
        if rows := await pool.fetchval("SELECT count(*) FROM outbox"):
            moving.append(f"{rows} messages in the outbox of {service}")
    for service, what, query in (
        ("session", "sagas", "SELECT count(*) FROM sagas WHERE timer_at IS NOT NULL AND owner_id = ANY($1::uuid[])"),
        (
            "session",
            "discards",
            "SELECT count(*) FROM open_discards JOIN sagas USING (generation_id) WHERE owner_id = ANY($1::uuid[])",
        ),
        (
            "render",
            "jobs",
            "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND owner_id = ANY($1::uuid[])",
        ),
        ("gateway", "projections", "SELECT count(*) FROM generations WHERE rank < 9 AND owner_id = ANY($1::uuid[])"),
        ("billing", "holds", "SELECT count(*) FROM holds WHERE state = 'open' AND owner_id = ANY($1::uuid[])"),
    ):
        if rows := await databases[service].fetchval(query, owners):
            moving.append(f"{rows} {what} of {service}")
    return moving


async def _read_public_events(world: World) -> tuple[str, str, list[str]]:
    """A subscriber that comes last reads all events from the beginning: its balances are those of the ledger."""
    accounts, wrong = await rebuild_balances(world)
    checked = f"{accounts.events} events of {len(accounts.available)} owners, {accounts.repeated} of them repeated"
    return "public events rebuild every balance", checked, wrong


async def _read_everything(load: Load) -> None:
    """Each client reads once more what it was promised."""
    async with httpx.AsyncClient(base_url=load.world.url, timeout=30, trust_env=False) as http:
        promised = [request for request in load.requests if request.acceptances]
        for start in range(0, len(promised), 20):
            await asyncio.gather(
                *(
                    load.look(http, request, id_of(request, request.acceptances[0]))
                    for request in promised[start : start + 20]
                )
            )
