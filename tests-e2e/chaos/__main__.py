"""``make chaos``: a stack of its own under load, every fault once in the order of the seed, then all invariants."""

import asyncio
import logging
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from atelier_local.cli_errors import report_errors
from atelier_local.launcher.rabbitmq import amqp_url
from atelier_local.launcher.stack import Stack
from atelier_messaging.link import open_link
from chaos import client_gone, faults, nodes, rolling_restart
from chaos.findings import Findings
from chaos.run import SETTINGS, Plan, run
from whole_system.world import World

PROFILE = "chaos"
CLUSTER_PROFILE = "cluster-chaos"
NODES_FAULT = "freeze one broker node of three"
Scenario = Callable[[World, Callable[[str], None]], Awaitable[list[str]]]
SCENARIOS: Mapping[str, Scenario] = {"client gone": client_gone.run, "rolling restart": rolling_restart.run}
"""Faults with a load and questions of their own."""
DRAIN_S = "5"
"""Longer than a balancer takes to see that a gateway is not ready any more, on a busy machine."""
ORPHANS_S = 120.0


def main(
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to do it again.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each fault is done.")] = 1,
    only: Annotated[str, typer.Option(help="Faults whose name holds this.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 8,
    keep: Annotated[bool, typer.Option(help="Leave the stack running where something was violated.")] = False,
) -> None:
    """Exits with 1 where an invariant is violated."""
    for library in ("asyncpg", "aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # that connections break is no news here
    chosen = random.randrange(1_000_000) if seed is None else seed
    rng = random.Random(f"{chosen}/order")
    only = only.replace("_", " ")
    names = [name for _ in range(rounds) for name in faults.shuffle_faults(rng) if only in name]
    violations: list[str] = []
    with report_errors():
        if names:
            findings = asyncio.run(_run(Plan(chosen, names, workers=workers, orphans_s=ORPHANS_S), keep))
            typer.echo(findings.report())
            violations += findings.violations
        for name in (name for name in SCENARIOS if only in name):
            violations += (wrong := asyncio.run(_play(SCENARIOS[name])))
            typer.echo("\n".join([f"{name}: {'VIOLATED' if wrong else 'holds'}", *wrong]))
        if only in NODES_FAULT:
            violations += (frozen := asyncio.run(_freeze_nodes(chosen)))
            typer.echo("\n".join(frozen) or "all ended in time, the sums agree")
    sys.exit(1 if violations else 0)


async def _run(plan: Plan, keep: bool) -> Findings:
    folder = Path(tempfile.mkdtemp(prefix="atelier-failpoints-"))
    typer.echo(f"seed {plan.seed}: {len(plan.names)} faults")
    violated = False
    async with open_link(amqp_url(Stack(PROFILE).profile, "gateway")) as link:
        settings = {**SETTINGS, "ATELIER_FAILPOINTS": str(folder), "ATELIER_GATEWAY_AMQP_URL": link.url}
        stack = Stack(PROFILE, env=settings)
        try:
            await asyncio.to_thread(stack.up)
            async with World.of(stack) as world:
                findings = await run(world, plan, lambda line: typer.echo(f"  {line}"), link)
            violated = bool(findings.violations)
            return findings
        finally:
            if not (keep and violated):
                await asyncio.to_thread(stack.clean)
            shutil.rmtree(folder, ignore_errors=True)


async def _play(scenario: Scenario) -> list[str]:
    """On a stack of its own. Answers what was violated."""
    stack = Stack(PROFILE, env={**SETTINGS, "ATELIER_DRAIN_S": DRAIN_S})
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            return await scenario(world, lambda line: typer.echo(f"  {line}"))
    finally:
        await asyncio.to_thread(stack.clean)


async def _freeze_nodes(seed: int) -> list[str]:
    """On a stack of its own, with a cluster of brokers. Answers what was violated."""
    stack = Stack(CLUSTER_PROFILE, env=SETTINGS)
    typer.echo("a cluster of three brokers, one node frozen at a time")
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            rng = random.Random(f"{seed}/nodes")
            return await nodes.freeze_each_in_turn(world, rng, lambda line: typer.echo(f"  {line}"))
    finally:
        await asyncio.to_thread(stack.clean)


if __name__ == "__main__":
    typer.run(main)
