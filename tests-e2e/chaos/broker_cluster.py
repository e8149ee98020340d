"""A cluster of three brokers, of the versions that ``RABBITMQ`` and ``POSTGRES`` choose: the demo runs on it, and no
generation is lost when a node freezes, dies or is isolated. ``make matrix`` names this file; ``make test`` does not
find it, for it takes minutes, and ``make chaos`` does the same on the machine's own versions.
"""

import re
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from atelier_contracts.routes import ROUTES
from atelier_local.connection import find_connection
from atelier_local.demo import photos, scenario
from atelier_local.demo.pictures import to_picture
from atelier_local.launcher.stack import Stack
from chaos import nodes
from chaos.run import SETTINGS
from whole_system.broker import rabbitmqctl
from whole_system.own_stack import own_stack
from whole_system.world import World

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_stack("cluster-links", SETTINGS, viewer=True) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with World.of(stack) as opened:
        yield opened


def test_every_queue_has_a_member_on_each_node(stack: Stack) -> None:
    table = rabbitmqctl(stack, "-q", "list_queues", "name", "members")

    rows = dict(line.split("\t") for line in table.splitlines() if line)  # a classic queue's members are empty
    members = {name: set(re.findall(r"atelier[-\d]*@", rows[name])) for name in ROUTES}
    assert {name: len(nodes) for name, nodes in members.items()} == dict.fromkeys(ROUTES, 3)


async def test_the_demo_runs_on_it(world: World, tmp_path: Path) -> None:
    printed = StringIO()
    pictures = (to_picture("portrait.png", photos.person_photo()), to_picture("shirt.jpg", photos.garment_photo()))

    await scenario.run_scenario(find_connection(world.stack.name), pictures, tmp_path, Console(file=printed))

    assert "with the checksum on record" in printed.getvalue()


@pytest.mark.parametrize("node", ["rabbitmq", "rabbitmq-2", "rabbitmq-3"])
async def test_a_frozen_node_holds_no_generation_up(world: World, node: str) -> None:
    assert await nodes.freeze(world, node, print) == []


async def test_the_death_of_the_node_that_leads_holds_no_generation_up(world: World) -> None:
    assert await nodes.kill_leader(world, print) == []


@pytest.mark.parametrize("node", ["rabbitmq", "rabbitmq-2", "rabbitmq-3"])
async def test_an_isolated_node_holds_no_generation_up(world: World, node: str) -> None:
    assert await nodes.isolate(world, node, print) == []
