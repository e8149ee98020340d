"""What a batch owes where a process dies between two of its steps, or where a row is more than tables can hold."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from atelier_gateway.batches import row_store, submission
from atelier_gateway.batches.records import Batch, Row
from atelier_gateway.batches.runner import BatchRunner, Progress
from atelier_gateway.surfaces.batch_worker import build_worker
from atelier_gateway.surfaces.native.batch_rows import NativeRows
from atelier_gateway.web.problems import Problem

from ..support.batches import IMAGE, ORDER, PATH, begun, create, jsonl, lines, rows, upload, wait_until, willing
from ..support.native import success, wait_until_status
from ..support.neighbours import admit
from ..support.world import ADMIN, World
from .test_batch_course import find

pytestmark = pytest.mark.stack
LEASED_BY_NOBODY = "UPDATE batches SET lease = gen_random_uuid(), leased_until = now() + interval '1 hour'"


async def begin(world: World, number: int) -> tuple[dict[str, str], UUID]:
    """A batch whose first rows are under way, as many as may be; no process goes on with it."""
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    made = await create(world, headers, {"rows": rows(number)})
    most = min(number, world.container.settings.batch_rows_at_once)

    async def is_under_way() -> bool:
        count = "SELECT count(*) FROM batch_rows WHERE state = 'submitted'"
        return bool(len(begun(world)) == most and await world.pool.fetchval(count) == most)

    await world.until(is_under_way)
    await world.pool.execute(LEASED_BY_NOBODY)
    return headers, UUID(made["id"])


async def finish(world: World, runner: BatchRunner, id_: UUID) -> Batch:
    """The batch, once its steps have ended it."""
    progress = Progress()
    while (batch := await find(world, id_)).is_open:  # noqa: ASYNC110 - it is looked for in tables
        await asyncio.sleep(await runner.step(batch, progress))
    return batch


async def test_what_began_before_its_process_died_ends_with_its_cancelled_batch(world: World) -> None:
    _, id_ = await begin(world, 1)
    await world.pool.execute(f"UPDATE batch_rows SET state = 'waiting'; {LEASED_BY_NOBODY}, state = 'cancelling'")

    ended = await finish(world, build_worker(world.container)._runner, id_)

    assert ended.state == "cancelled"
    assert await world.pool.fetchval("SELECT state FROM generations") == "cancelled"


class Unreachable:
    """Rows of which no one can say now whether they begin."""

    fields: Any = None

    async def create(self, *_: Any) -> Any:
        raise Problem("unavailable", "Nothing was started.")


async def test_a_row_has_another_generation_only_once_its_first_can_never_come(world: World) -> None:
    _, id_ = await begin(world, world.container.settings.batch_rows_at_once + 1)
    runner, batch = build_worker(world.container)._runner, await find(world, id_)
    runner._surfaces = {batch.surface: Unreachable()}  # type: ignore[dict-item]
    last = (await row_store.list_waiting(world.container.pool, id_, 99))[-1]

    async def submit() -> Row:
        await runner._submit(batch, [last], Progress())
        return (await row_store.list_waiting(world.container.pool, id_, 99))[-1]

    found = []
    for verdict in ("reserving", None, "withdrawn"):  # admitted for another process; unknown; nothing will come of it
        world.neighbours.verdict = verdict
        found.append((await submit()).generation_id == last.generation_id)

    assert found == [True, True, False]


async def test_what_begins_after_its_row_was_begun_anew_is_cancelled(world: World) -> None:
    _, id_ = await begin(world, world.container.settings.batch_rows_at_once + 1)
    runner, batch = build_worker(world.container)._runner, await find(world, id_)
    late = (await row_store.list_waiting(world.container.pool, id_, 99))[-1:]
    await row_store.begin_anew(world.container.pool, id_, late)

    await runner._submit(batch, late, Progress())

    async def is_cancelled() -> bool:
        state = "SELECT state FROM generations WHERE id = $1"
        return bool(await world.pool.fetchval(state, late[0].generation_id) == "cancelled")

    await world.until(is_cancelled)


async def test_a_row_that_is_submitted_again_after_its_key_is_forgotten_is_there(world: World) -> None:
    _, id_ = await begin(world, 1)
    _, others = await world.store()
    await world.pool.execute("DELETE FROM idempotency")
    batch = await find(world, id_)
    [row] = await row_store.list_page(world.container.pool, id_, after=0, limit=1)

    again, other = await asyncio.gather(
        submission.submit(NativeRows(world.container), batch, row, deadline_s=60), world.create(others)
    )

    assert (again, other.status_code) == (submission.Postponed(), 201)
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 2


async def test_nothing_begins_for_a_store_while_it_is_suspended(world: World) -> None:
    headers, id_ = await begin(world, world.container.settings.batch_rows_at_once + 1)
    runner, store = build_worker(world.container)._runner, (await find(world, id_)).owner.id
    first = next(iter(begun(world)))
    await world.neighbours.say(success(first))
    await wait_until_status(world, headers, first, "succeeded")

    begun_by_then = []
    for is_suspended in (True, False):
        await world.operations.patch(f"/v1/admin/stores/{store}", headers=ADMIN, json={"suspended": is_suspended})
        await runner.step(await find(world, id_), Progress())
        begun_by_then.append(not await row_store.list_waiting(world.container.pool, id_, 1))

    assert begun_by_then == [False, True]


UNSTORABLE = {
    "in a URL": {"images": [{"image_url": "https://pictures.net/\x00.png"}]},
    "in a name": {"images": [{"image_url": "https://pictures.net/a.png"}], "a\x00b": 1},
}


@pytest.mark.parametrize("body", UNSTORABLE.values(), ids=list(UNSTORABLE))
async def test_a_line_that_no_table_can_hold_fails_its_batch(world: World, body: dict[str, Any]) -> None:
    willing(world)
    _, headers = await world.store()
    asked = {"prompt": "a cat", "model": "dall-e-2", "size": "256x256"} | body
    line = {"custom_id": "a", "method": "POST", "url": "/v1/images/edits", "body": asked}
    file = await upload(world, headers, [line])
    made = await world.client.post(
        "/v1/batches", headers=headers, json=ORDER | {"input_file_id": file, "endpoint": line["url"]}
    )

    failed: dict[str, Any] = {}

    async def has_failed() -> bool:
        failed.update((await world.client.get(f"/v1/batches/{made.json()['id']}", headers=headers)).json())
        return bool(failed["status"] == "failed")

    await world.until(has_failed)
    assert [(error["line"], "NUL" in error["message"]) for error in failed["errors"]["data"]] == [(1, True)]


async def test_a_row_that_no_table_can_hold_is_refused_by_name(world: World) -> None:
    willing(world)
    _, headers = await world.store()
    inputs = [{"role": "image", "url": "https://pictures.net/\x00.png"}]
    row = {"request": IMAGE | {"inputs": inputs}}

    inline = await world.client.post(PATH, headers=headers, json={"rows": [row]})
    by_line = await world.client.post(
        PATH, headers=headers | {"Content-Type": "application/jsonl"}, content=jsonl([row])
    )

    assert (inline.status_code, by_line.status_code) == (400, 400)


async def test_a_file_that_cannot_be_priced_in_its_window_fails_its_batch(world: World) -> None:
    willing(world)
    world.neighbours.records.pop("quote")
    _, headers = await world.store()
    file = await upload(world, headers, lines(1))
    made = await world.client.post("/v1/batches", headers=headers, json=ORDER | {"input_file_id": file})
    await world.pool.execute("UPDATE batches SET expires_at = now()")

    async def has_failed() -> bool:
        return bool((await world.client.get(f"/v1/batches/{made.json()['id']}", headers=headers)).json()["failed_at"])

    await world.until(has_failed)


async def test_the_limit_of_a_row_is_kept_as_that_of_a_create(world: World) -> None:
    willing(world)
    _, headers = await world.store()

    refused = await world.client.post(
        PATH, headers=headers, json={"rows": [{"request": IMAGE | {"max_credits": 2}}, *rows(1)]}
    )
    made = await create(world, headers, {"rows": [{"request": IMAGE | {"max_credits": 3}}]})
    done = await wait_until(world, headers, made["id"], "completed")

    assert refused.status_code == 400 and refused.json()["errors"][0]["field"] == "rows.0.request.max_credits"
    assert done["credits"]["captured"] == 1
    assert len(begun(world)) == 1
