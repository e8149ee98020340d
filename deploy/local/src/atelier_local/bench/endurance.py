"""What grows while a stack works for long: dead rows, tables, memory. An hour is the full form."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from atelier_local.bench.builds import Build
from atelier_local.bench.contenders import AtelierContender
from atelier_local.bench.idle import resident_bytes
from atelier_local.bench.report import head, row
from atelier_local.launcher.profile import SERVICES

SLICE = 500
"""Generations between two looks at the clock."""
SAMPLES_MIN = 4
_TABLES = """
SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes,
       n_tup_upd AS updates, n_tup_hot_upd AS in_place
FROM pg_stat_user_tables WHERE schemaname = 'public'
"""


@dataclass(frozen=True, slots=True)
class TableState:
    """Rows, bytes with indexes, and how many of the updates so far were in place (HOT)."""

    live: int
    dead: int
    bytes: int
    updates: int
    in_place: int


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack at one moment: its tables by service and name, each service's resident bytes."""

    generations: int
    at_s: float
    tables: dict[tuple[str, str], TableState]
    memory: dict[str, int]


@dataclass(slots=True)
class Endurance:
    """The states of a stack under load, from before it to its end."""

    states: list[StackState] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        first, last = self.states[0], self.states[-1]
        return (last.generations - first.generations) / (last.at_s - first.at_s)


async def endure(
    atelier: AtelierContender, *, minutes: float, in_flight: int, show: Callable[[str], object]
) -> Endurance:
    """Runs load for so long and looks at the stack about once a minute, in any case ``SAMPLES_MIN`` times."""
    began, every_s = time.monotonic(), min(60.0, minutes * 60 / SAMPLES_MIN)
    measured = Endurance([await _state(atelier, began)])
    while time.monotonic() - began < minutes * 60:
        await atelier.load(in_flight, SLICE)
        if time.monotonic() - began >= every_s * len(measured.states):
            measured.states.append(await _state(atelier, began))
            show(_line(measured.states[-1]))
    return measured


def dead_rows_table(measured: Endurance) -> list[str]:
    """Each table's dead rows at their most in the first and in the second half, and its size at both ends."""
    first, last = measured.states[0], measured.states[-1]
    columns = ["table", "live rows", "dead rows, first half", "second half", "MB before", "MB after", "in place"]
    lines, half = head(columns), len(measured.states) // 2
    for (service, name), state in sorted(last.tables.items(), key=lambda item: -item[1].bytes):
        halves = [
            max(each.tables[service, name].dead for each in part)
            for part in (measured.states[: half + 1], measured.states[half:])
        ]
        before = first.tables[service, name]
        updates = state.updates - before.updates
        if state.bytes == before.bytes and not any(halves):
            continue
        in_place = f"{(state.in_place - before.in_place) / updates:.0%}" if updates else ""
        cells = [f"{state.live:,}", *(f"{dead:,}" for dead in halves), *_megabytes(before.bytes, state.bytes), in_place]
        lines.append(row([f"{service} `{name}`", *(cell.replace(",", " ") for cell in cells)]))
    return lines


def memory_lines(measured: Endurance) -> list[str]:
    """Resident memory of each service at a tenth of the generations and at the end."""
    goal = measured.states[-1].generations / 10
    early = next(each for each in measured.states if each.generations >= goal)
    last = measured.states[-1]
    return [
        f"{service}: {early.memory[service] / 1e6:.0f} MB after {early.generations} generations, "
        f"{last.memory[service] / 1e6:.0f} MB after {last.generations} "
        f"({last.memory[service] / early.memory[service] - 1:+.1%})"
        for service in SERVICES
    ]


async def _state(atelier: AtelierContender, began: float) -> StackState:
    # A backend reports its counts at the end of a transaction, some of them a second later.
    await asyncio.sleep(1)
    tables = {(service, each["name"]): each for service in SERVICES for each in await _tables(atelier.build, service)}
    return StackState(
        atelier.generations,
        time.monotonic() - began,
        {
            key: TableState(*(each[name] for name in ("live", "dead", "bytes", "updates", "in_place")))
            for key, each in tables.items()
        },
        {service: resident_bytes(pid) for pid, service in atelier.build.pids().items()},
    )


async def _tables(build: Build, service: str) -> Sequence[asyncpg.Record]:
    connection = await asyncpg.connect(build.database_url(service))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(_TABLES)
    finally:
        await connection.close()
    return rows


def _line(state: StackState) -> str:
    dead = sum(table.dead for table in state.tables.values())
    stored = sum(table.bytes for table in state.tables.values())
    memory = sum(state.memory.values())
    return (
        f"  {state.at_s / 60:.1f} min, {state.generations} generations: {dead} dead rows, "
        f"{stored / 1e6:.0f} MB of tables, {memory / 1e6:.0f} MB of memory"
    )


def _megabytes(*sizes: int) -> list[str]:
    return [f"{size / 1e6:.1f}" for size in sizes]
