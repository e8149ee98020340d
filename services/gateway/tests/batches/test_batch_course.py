"""The course of native batches: bounded, cancelled, expired, out of credits, worked at by two processes at once."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationRequested, Owner
from atelier_gateway.batches import row_store, store, submission
from atelier_gateway.batches.records import Batch
from atelier_gateway.batches.runner import BatchRunner, Progress
from atelier_gateway.surfaces.batch_worker import build_worker
from atelier_gateway.surfaces.native.batch_rows import NativeRows

from ..support.batches import IMAGE, PATH, QUOTE, begun, create, jsonl, reject, rows, wait_until, willing
from ..support.neighbours import admit
from ..support.world import World

pytestmark = pytest.mark.stack


async def read_rows(world: World, headers: dict[str, str], id_: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = await world.client.get(f"{PATH}/{id_}/rows", headers=headers, params={**query, "cursor": cursor})
        assert page.status_code == 200, page.text
        found += page.json()["data"]
        cursor = page.json()["next_cursor"]
    return found


async def test_rows_are_made_at_low_priority_at_the_quoted_price_a_bounded_number_at_once(world: World) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    most = world.container.settings.batch_rows_at_once

    made = await create(world, headers, {"rows": rows(most + 5)})

    now: dict[str, Any] = {}

    async def is_full() -> bool:
        now.update((await world.client.get(f"{PATH}/{made['id']}", headers=headers)).json())
        return bool(now["rows"]["under_way"] == most)

    await world.until(is_full)
    assert (now["rows"]["under_way"], now["rows"]["waiting"], now["credits"]["held"]) == (most, 5, most)
    requests = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    assert {(request.spec.priority, request.quote) for request in requests} == {("low", QUOTE["quote"])}
    await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)
    await wait_until(world, headers, made["id"], "cancelled")


async def test_a_cancel_stops_what_is_under_way_and_begins_nothing_more(world: World) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    most = world.container.settings.batch_rows_at_once
    made = await create(world, headers, {"rows": rows(most + 5)})

    async def is_full() -> bool:
        return len(begun(world)) == most

    await world.until(is_full)
    first = await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)
    done = await wait_until(world, headers, made["id"], "cancelled")
    again = await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)

    assert (first.status_code, first.json()["status"]) == (202, "cancelling")
    assert (done["rows"]["cancelled"], done["credits"]["captured"], done["credits"]["held"]) == (most + 5, 0, 0)
    assert len(begun(world)) == most and (again.status_code, again.json()["status"]) == (200, "cancelled")


async def test_rows_that_have_not_begun_in_the_window_expire(world: World) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    most = world.container.settings.batch_rows_at_once
    made = await create(world, headers, {"rows": rows(most + 2), "completion_window_s": 60})

    async def is_full() -> bool:
        return len(begun(world)) == most

    await world.until(is_full)
    await world.pool.execute("UPDATE batches SET expires_at = now() WHERE id = $1", UUID(made["id"]))
    done = await wait_until(world, headers, made["id"], "expired")

    assert (done["rows"]["expired"], done["credits"]["captured"]) == (most + 2, 0)
    assert {
        row["error"]["code"] for row in await read_rows(world, headers, made["id"]) if not row["generation_id"]
    } == {"batch_expired"}


async def test_two_processes_at_one_batch_make_each_row_once(world: World) -> None:
    """As where one was thought dead: both take every step."""
    willing(world)
    _, headers = await world.store()
    made = await create(world, headers, {"rows": rows(20, failing=4)})
    runners = [build_worker(world.container)._runner for _ in range(2)]
    tasks = [asyncio.create_task(_steal(world, UUID(made["id"]), runner)) for runner in runners]

    done = await wait_until(world, headers, made["id"], "completed")
    await asyncio.gather(*tasks)

    assert (done["rows"]["succeeded"], done["rows"]["failed"], done["credits"]["captured"]) == (16, 4, 16)
    assert sorted(begun(world).values()) == [1] * 20


async def _steal(world: World, id_: UUID, runner: BatchRunner) -> None:
    """Steps without a lease until the batch has ended."""
    progress = Progress()
    while (batch := await find(world, id_)).is_open:  # noqa: ASYNC110 - it is looked for in tables
        await asyncio.sleep(await runner.step(batch, progress))


async def test_a_row_submitted_again_after_a_crash_is_the_generation_that_it_was(world: World) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    made = await create(world, headers, {"rows": rows(1)})

    async def has_begun() -> bool:
        return len(begun(world)) == 1

    await world.until(has_begun)
    await world.pool.execute("UPDATE batch_rows SET state = 'waiting'")  # as if the process had died before it said so
    batch = await find(world, UUID(made["id"]))
    row = (await row_store.list_page(world.container.pool, batch.id, after=0, limit=1))[0]
    again = await submission.submit(NativeRows(world.container), batch, row, deadline_s=60)

    assert isinstance(again, submission.Submitted | submission.Postponed)
    assert list(begun(world).values()) == [1]
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 1
    await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)
    await wait_until(world, headers, made["id"], "cancelled")


async def test_two_tries_at_a_row_in_one_commit_are_one_generation(world: World) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    most = world.container.settings.batch_rows_at_once
    made = await create(world, headers, {"rows": rows(most + 1)})

    async def is_full() -> bool:
        return len(begun(world)) == most

    await world.until(is_full)
    batch = await find(world, UUID(made["id"]))
    last = (await row_store.list_waiting(world.container.pool, batch.id, most + 1))[-1]
    surface = NativeRows(world.container)
    tries = await asyncio.gather(*(submission.submit(surface, batch, last, deadline_s=60) for _ in range(8)))

    assert submission.Submitted() in tries
    assert {type(each) for each in tries} <= {submission.Submitted, submission.Postponed}
    assert begun(world)[last.generation_id] == 1
    await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)
    await wait_until(world, headers, made["id"], "cancelled")


async def test_a_row_begun_by_a_process_that_stood_still_while_its_batch_was_cancelled_is_cancelled(
    world: World,
) -> None:
    willing(world)
    world.neighbours.answer = admit
    _, headers = await world.store()
    most = world.container.settings.batch_rows_at_once
    made = await create(world, headers, {"rows": rows(most + 1)})

    async def is_full() -> bool:
        return len(begun(world)) == most

    await world.until(is_full)
    runner, batch = build_worker(world.container)._runner, await find(world, UUID(made["id"]))
    late = (await row_store.list_waiting(world.container.pool, batch.id, most + 1))[-1:]
    await world.client.post(f"{PATH}/{made['id']}/cancel", headers=headers)
    await wait_until(world, headers, made["id"], "cancelled")
    await runner._submit(batch, late, Progress())

    async def is_cancelled() -> bool:
        state = "SELECT state FROM generations WHERE id = $1"
        return bool(await world.pool.fetchval(state, late[0].generation_id) == "cancelled")

    await world.until(is_cancelled)


async def find(world: World, id_: UUID) -> Batch:
    row = await world.pool.fetchrow("SELECT owner_kind, owner_id FROM batches WHERE id = $1", id_)
    assert row is not None
    batch = await store.find(world.container.pool, Owner(kind=row["owner_kind"], id=row["owner_id"]), id_)
    assert batch is not None
    return batch


async def test_credits_that_run_out_half_way_fail_the_rows_that_they_do_not_pay(world: World) -> None:
    willing(world)
    deliver = world.neighbours.answer
    admitted: set[UUID] = set()

    def answer(request: GenerationRequested) -> Any:
        if len(admitted) >= 3:
            return reject(request)
        admitted.add(request.generation_id)
        return deliver(request)

    world.neighbours.answer = answer
    _, headers = await world.store()

    made = await create(world, headers, {"rows": rows(8)})
    done = await wait_until(world, headers, made["id"], "completed")

    assert (done["rows"]["succeeded"], done["rows"]["failed"], done["credits"]["captured"]) == (3, 5, 3)
    failed = await read_rows(world, headers, made["id"], status="failed")
    assert Counter(row["error"]["code"] for row in failed) == {"insufficient_credits": 5}


async def test_json_lines_are_taken_and_wrong_rows_are_named_all_at_once(world: World) -> None:
    willing(world)
    _, headers = await world.store()
    sent = headers | {"Content-Type": "application/jsonl"}
    wrong = jsonl([*rows(1), {"request": IMAGE | {"size": "huge"}}, {"request": IMAGE | {"charge": "on_delivery"}}])

    quoted = await world.client.post(f"{PATH}/quotes", headers=sent, content=jsonl(rows(3)))
    dear = await world.client.post(f"{PATH}?max_credits=2", headers=sent, content=jsonl(rows(3)))
    refused = await world.client.post(PATH, headers=sent, content=wrong + b"{\n")
    inline = await world.client.post(PATH, headers=headers, json={"rows": [{"request": IMAGE | {"quote": "a.b.c"}}]})

    assert (quoted.json()["credits"], quoted.json()["rows"]) == (3, 3)
    assert (dear.status_code, dear.json()["code"]) == (422, "spend_limit_exceeded")
    assert refused.status_code == 400
    named = [error["field"] for error in refused.json()["errors"]]
    assert named == ["line 2: request.size", "line 3: request.charge", "line 4"]
    assert inline.json()["errors"][0]["field"] == "rows.0.request.quote"
    assert await world.pool.fetchval("SELECT count(*) FROM batches") == 0 and not begun(world)


async def test_what_the_balance_does_not_pay_is_402_and_creates_nothing(world: World) -> None:
    willing(world, balance=2)
    _, headers = await world.store()

    refused = await world.client.post(PATH, headers=headers, json={"rows": rows(3)})

    assert (refused.status_code, refused.json()["required"], refused.json()["available"]) == (402, 3, 2)
    assert await world.pool.fetchval("SELECT count(*) FROM batches") == 0


async def test_one_key_is_one_batch_and_an_ended_one_can_be_deleted(world: World) -> None:
    willing(world)
    _, headers = await world.store()
    key = {"Idempotency-Key": str(uuid4())}

    first, second = [await create(world, headers, {"rows": rows(2)}, **key) for _ in range(2)]
    await wait_until(world, headers, first["id"], "completed")
    deleted = await world.client.delete(f"{PATH}/{first['id']}", headers=headers)

    assert first == second and sorted(begun(world).values()) == [1, 1]
    assert deleted.status_code == 204
    assert (await world.client.get(f"{PATH}/{first['id']}", headers=headers)).status_code == 404
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 2


async def test_what_a_row_asked_for_is_forgotten_once_it_has_ended(world: World) -> None:
    willing(world)
    _, headers = await world.store()

    made = await create(world, headers, {"rows": rows(2, failing=1)})
    await wait_until(world, headers, made["id"], "completed")

    assert await world.pool.fetchval("SELECT count(*) FROM batch_rows WHERE request IS NOT NULL") == 0
