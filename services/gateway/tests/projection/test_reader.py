"""Reads that come together share a statement, and each still sees its own owner's generations alone."""

import asyncio
from uuid import UUID, uuid4

import pytest

from atelier_contracts import Owner
from atelier_gateway.projection.reader import GenerationReader

from ..support.world import World

pytestmark = pytest.mark.stack


async def test_reads_at_once_each_find_what_is_their_owners_and_nothing_else(world: World) -> None:
    (first, first_key), (second, second_key) = await world.store(), await world.store()
    mine = UUID((await world.create(first_key)).json()["data"]["session_id"])
    theirs = UUID((await world.create(second_key)).json()["data"]["session_id"])
    reader, me, they = GenerationReader(world.pool), Owner(kind="store", id=first), Owner(kind="store", id=second)
    wanted = [(mine, me), (theirs, they), (mine, they), (theirs, me), (uuid4(), me), (mine, me)]

    together = await asyncio.gather(*(reader.find_for_owner(*each) for each in wanted))
    alone = [await reader.find_for_owner(*each) for each in wanted]

    expected = [mine, theirs, None, None, None, mine]
    assert [found.id if found else None for found in together] == expected
    assert [found.id if found else None for found in alone] == expected


async def test_a_user_with_the_id_of_a_store_reads_nothing_of_it(world: World) -> None:
    store, key = await world.store()
    mine = UUID((await world.create(key)).json()["data"]["session_id"])
    reader, other = GenerationReader(world.pool), Owner(kind="user", id=store)

    found = await asyncio.gather(*(reader.find_for_owner(mine, other) for _ in range(3)))

    assert found == [None] * 3
