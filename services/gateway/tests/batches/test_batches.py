"""Native batches on real servers: each row is one generation, charged once, whatever process works at it how often."""

import pytest

from ..support.batches import PATH, begun, create, rows, wait_until, willing
from ..support.world import World

pytestmark = pytest.mark.stack


async def test_each_row_is_one_generation_and_the_batch_says_what_it_cost(world: World) -> None:
    willing(world)
    _, headers = await world.store()

    made = await create(world, headers, {"rows": rows(3, failing=1), "metadata": {"season": "spring"}})
    done = await wait_until(world, headers, made["id"], "completed")

    assert made["credits"] == {"quoted": 3, "captured": 0, "held": 0, "remaining": 3}
    assert done["credits"] == {"quoted": 3, "captured": 2, "held": 0, "remaining": 1}
    assert (done["rows"]["succeeded"], done["rows"]["failed"], done["metadata"]) == (2, 1, {"season": "spring"})
    assert sorted(begun(world).values()) == [1, 1, 1]
    shown = (await world.client.get(f"{PATH}/{made['id']}/rows", headers=headers)).json()["data"]
    assert [(row["custom_id"], row["status"]) for row in shown] == [
        ("row-0", "failed"),
        ("row-1", "succeeded"),
        ("row-2", "succeeded"),
    ]
    assert shown[0]["error"]["code"] == "content_refused" and shown[1]["outputs"][0]["url"]
