"""``atelier bench``: runs load and floor in turn on a stack of its own, prints medians and ratios, proves the books."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import floor, idle, load, overload
from atelier_local.bench.load import LoadResult
from atelier_local.cli_errors import report_errors
from atelier_local.errors import StackError
from atelier_local.launcher.live_display import Progress
from atelier_local.launcher.stack import Stack
from atelier_messaging.connection import connect_first

PROFILE = "bench"
ACCOUNTS = 50
CREDITS_EACH = 1_000_000
IN_FLIGHT = (1, 50)
OVERLOAD_SAMPLES = 40
ONE_BY_ONE_SHARE = 10
"""With one in flight a tenth of the generations is enough for a median."""
TRACE_RATIO = "0.01"
"""As in production: one trace in a hundred is recorded."""


@dataclass(frozen=True, slots=True)
class Round:
    """One load and the floor measured right after it, on the same machine in the same minute."""

    load: LoadResult
    floor_per_second: float

    @property
    def ratio(self) -> float:
        """Whole generations a second, over what the database alone allows."""
        return self.load.per_second / self.floor_per_second


def bench(
    generations: Annotated[int, typer.Option(min=50, help="whole generations a round at 50 in flight")] = 3_000,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    profile: Annotated[str, typer.Option(help="Which local stack; it is created for this and removed.")] = PROFILE,
) -> None:
    """Whole generations a second (POST to captured), beside the floor of the database alone, all durable."""
    console = Console(highlight=False, soft_wrap=True)
    with report_errors():
        stack = Stack(profile, env={"ATELIER_TRACE_RATIO": TRACE_RATIO})
        try:
            with Progress(console) as progress:
                stack.up(progress.show)
            resting = idle.measure(stack.environment())
            console.print(
                f"idle: the four services use {resting.core_percent:.1f} % of a core and {resting.memory_mb:.0f} MB"
            )
            asyncio.run(_measure(stack.environment(), generations, rounds, console))
            asyncio.run(_overload(stack.environment(), console))
        finally:
            stack.clean()


async def _measure(known: dict[str, str], generations: int, rounds: int, console: Console) -> None:
    url, floor_url = known["ATELIER_URL"], known["ATELIER_BILLING_OWNER_DATABASE_URL"]
    async with AdminClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        keys = await open_accounts(admin)
        outcomes = load.OutcomeListener()
        async with await connect_first(known["ATELIER_AMQP_URL"]) as connection:
            await outcomes.subscribe(connection)
            await load.run(url, keys, outcomes, in_flight=10, generations=100)  # warm caches and connections
            for in_flight in IN_FLIGHT:
                count = generations if in_flight > 1 else generations // ONE_BY_ONE_SHARE
                measured = []
                for number in range(rounds):
                    done = await load.run(url, keys, outcomes, in_flight=in_flight, generations=count)
                    ground = await floor.measure(floor_url, in_flight=in_flight, generations=count)
                    measured.append(Round(done, ground))
                    console.print(_line(number + 1, measured[-1]))
                console.print(_table(measured))
        verdict = await admin.verify_ledger()
    if not verdict.ok:
        raise StackError(f"the ledger does not balance after the load: {'; '.join(verdict.violations)}")
    console.print(
        f"books in order: {verdict.entries} postings in {verdict.accounts} accounts, every credit accounted for"
    )
    console.print(f"machine: {_machine()}")


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


async def open_accounts(admin: AdminClient, accounts: int = ACCOUNTS) -> list[str]:
    """Stores with credits; answers their keys."""
    keys = []
    for number in range(accounts):
        store = await admin.create_store(f"Bench {number}")
        await admin.grant("store", store.id, CREDITS_EACH, reason="bench")
        keys.append(store.api_key)
    return keys


def _line(number: int, done: Round) -> str:
    return (
        f"  {done.load.in_flight:>2} in flight, round {number}: {done.load.per_second:7.1f}/s, "
        f"floor {done.floor_per_second:7.1f}/s, ratio {done.ratio:.2f}"
    )


def _table(rounds: Sequence[Round]) -> Table:
    table = Table("medians", "generations/s", "floor/s", "ratio", "admission ms", "journey ms", box=None)
    table.add_row(
        f"{rounds[0].load.in_flight} in flight",
        *(
            f"{statistics.median(values):.{digits}f}"
            for values, digits in (
                ([r.load.per_second for r in rounds], 1),
                ([r.floor_per_second for r in rounds], 1),
                ([r.ratio for r in rounds], 2),
                ([r.load.admission_ms for r in rounds], 1),
                ([r.load.journey_ms for r in rounds], 1),
            )
        ),
    )
    return table


def _machine() -> str:
    """The processor and how many of it, as the kernel says."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else "unknown processor"
