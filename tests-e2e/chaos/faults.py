"""The faults a run can do. Each is over when it returns, but for what the system then has to recover from."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import aio_pika
import asyncpg

from atelier_local.errors import StackError
from atelier_local.launcher import postgres
from chaos import clock_faults
from chaos.broker_faults import cut_broker, cut_one_side, disk_alarm, wipe_broker
from chaos.schedule import SERVICES, STEPS, NotDone
from chaos.site import Site

FAILPOINT_S_MAX = 6.0
"""A step that is not reached within this time is disarmed again, and the fault counts as not done."""
PASSES_MAX = 4


Fault = Callable[[Site], Awaitable[str]]
"""Does it and says what it did, in a few words."""


def deck() -> dict[str, Fault]:
    """Every fault by name: steps of the protocol, kills, freezes, restarts, cuts, repetitions, poison."""
    cards: dict[str, Fault] = {}
    for service in SERVICES:
        cards[f"kill {service}"] = _kill(service)
        cards[f"freeze {service}"] = _freeze(service, 4.0)
        for step in STEPS:
            cards[f"kill {service} {step}"] = _kill_at_step(service, step)
        cards[f"kill {service} while the broker is frozen"] = _kill_before_confirm(service)
    return cards | {
        "freeze broker": _freeze("rabbitmq", 8.0),
        "kill broker": _kill("rabbitmq"),
        "restart broker": _restart("rabbitmq"),
        "cut broker connections": cut_broker,
        "cut one side of the gateway's broker connections": cut_one_side,
        "broker out of disk": disk_alarm,
        "wipe broker": wipe_broker,
        "freeze postgres": freeze_postgres,
        "postgres immediate restart": _kill("postgres", signal.SIGQUIT),
        "cut postgres connections": cut_postgres,
        "freeze object store": _freeze("objectstore", 5.0),
        "restart object store": _restart("objectstore"),
        "kill render while the object store is frozen": kill_render_while_storing,
        "kill all services": kill_all,
        "repeat old messages": repeat,
        "poison": poison,
        "clocks of the services ahead": clock_faults.put_ahead,
        "clocks of the services behind": clock_faults.put_behind,
    }


def shuffle_faults(rng: random.Random) -> Sequence[str]:
    """Each fault once, in an order given by the seed."""
    names = sorted(deck())
    rng.shuffle(names)
    return names


def _kill(part: str, sign: signal.Signals = signal.SIGKILL) -> Fault:
    async def fault(site: Site) -> str:
        await asyncio.to_thread(site.stack.kill, part, sign)
        return f"{sign.name} to {part}"

    return fault


def _kill_at_step(service: str, step: str) -> Fault:
    async def fault(site: Site) -> str:
        file, passes = site.failpoints / f"{service}.{step}", site.rng.randrange(PASSES_MAX)
        file.write_text(str(passes))
        with suppress(TimeoutError):
            async with asyncio.timeout(FAILPOINT_S_MAX):
                while file.exists():  # noqa: ASYNC110 - another process removes it
                    await asyncio.sleep(0.02)
        if file.exists():
            file.unlink(missing_ok=True)
            raise NotDone(f"{service} did not come to {step} {passes + 1} times in {FAILPOINT_S_MAX:g} s")
        return f"{service} died at {step}, the {passes + 1}th time it came there"

    return fault


def _freeze(part: str, seconds_max: float) -> Fault:
    async def fault(site: Site) -> str:
        seconds = site.rng.uniform(0.3, seconds_max)
        await asyncio.to_thread(site.stack.kill, part, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(site.stack.kill, part, signal.SIGCONT)
        return f"SIGSTOP to {part} for {seconds:.1f} s"

    return fault


def _restart(part: str) -> Fault:
    async def fault(site: Site) -> str:
        await asyncio.to_thread(site.stack.stop_part, part)
        await asyncio.sleep(site.rng.uniform(0, 2.0))
        await asyncio.to_thread(site.stack.start_part, part)
        return f"{part} stopped and started"

    return fault


def _kill_before_confirm(service: str) -> Fault:
    """Whatever it has published it has no confirm for: after its death it is unknown what arrived."""

    async def fault(site: Site) -> str:
        await asyncio.to_thread(site.stack.kill, "rabbitmq", signal.SIGSTOP)
        try:
            await asyncio.sleep(site.rng.uniform(0.2, 1.0))
            await asyncio.to_thread(site.stack.kill, service, signal.SIGKILL)
        finally:
            await asyncio.to_thread(site.stack.kill, "rabbitmq", signal.SIGCONT)
        return f"{service} killed between publish and confirm"

    return fault


async def freeze_postgres(site: Site) -> str:
    """The postmaster and every backend: no client learns that the server is gone."""
    pid, seconds = await asyncio.to_thread(site.stack.pid, "postgres"), site.rng.uniform(0.3, 4.0)
    assert pid is not None
    family = _family(pid)
    _signal(family, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _signal(family, signal.SIGCONT)
    return f"SIGSTOP to postgres and {len(family) - 1} backends for {seconds:.1f} s"


async def cut_postgres(site: Site) -> str:
    """Every session of every service ends, wherever it is."""
    connection = await asyncpg.connect(postgres.admin_url(site.stack.profile), timeout=5)
    cut = await connection.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'atelier'"
    )
    await connection.close()
    return f"{cut} database sessions ended"


async def kill_render_while_storing(site: Site) -> str:
    """Pictures are made, their upload hangs, and the process dies."""
    await asyncio.to_thread(site.stack.kill, "objectstore", signal.SIGSTOP)
    try:
        await asyncio.sleep(site.rng.uniform(0.5, 2.0))
        await asyncio.to_thread(site.stack.kill, "render", signal.SIGKILL)
    finally:
        await asyncio.to_thread(site.stack.kill, "objectstore", signal.SIGCONT)
    return "render killed with uploads under way"


async def kill_all(site: Site) -> str:
    """The four services at once, as when a machine goes."""
    for service in SERVICES:
        with suppress(StackError):  # one of them is dead already
            await asyncio.to_thread(site.stack.kill, service, signal.SIGKILL)
    return "SIGKILL to all four services"


async def repeat(site: Site) -> str:
    """Old messages come again, in any order."""
    return f"{await site.recorder.repeat(site.rng, 300)} old messages said again"


async def poison(site: Site) -> str:
    """Publishes messages that no consumer can read."""
    laid = await site.recorder.poison(site.rng, 2)
    site.poisoned += laid
    return f"{laid} poison messages"


async def do(name: str, site: Site) -> str:
    """Does a fault and says what it did. Raises NotDone, for instance where a part that is just being started again
    cannot be hurt: no error of the system."""
    try:
        return await deck()[name](site)
    except (StackError, OSError, TimeoutError, asyncpg.PostgresError, aio_pika.exceptions.AMQPError) as error:
        raise NotDone(str(error) or type(error).__name__) from error


def _family(pid: int) -> list[int]:
    """The process and its children, itself first, so that it makes no more of them."""
    children = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(entry.name))
    return [pid, *children]


def _signal(pids: Sequence[int], sign: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
