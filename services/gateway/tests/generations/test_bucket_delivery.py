"""Outputs go into their clients' own buckets: what one takes is delivered once, what it refuses is undeliverable."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import Artefact, CancelRequested, GenerationReady, OutputsDelivered
from atelier_gateway.generations import bucket_delivery
from atelier_storage.keys import artefact_key

from ..support.native import IMAGE, create, get_view
from ..support.webhook_receiver import Receiver, open_receiver
from ..support.world import World

pytestmark = pytest.mark.stack
DATA = b"p" * 100_000
TAKEN, BUSY, REFUSED = '200 OK\r\nETag: "0123"', "503 Slow Down", "403 Forbidden"


async def make_ready(world: World, bucket: Receiver, n: int = 1, *, made: int | None = None) -> tuple[UUID, Any]:
    """A generation whose outputs can be delivered into the bucket; with its owner's headers."""
    user, headers = await world.user()
    urls = [f"{bucket.url}&output={number}" for number in range(n)]
    id_ = await create(world, headers, {**IMAGE, "n": n, "charge": "on_delivery", "deliver_to": urls})
    outputs = []
    for number in range(n if made is None else made):
        key = artefact_key("user", user, id_, number, "png")
        await world.container.objects.put(key, DATA, "image/png")
        sha256 = hashlib.sha256(DATA).hexdigest()
        outputs.append(Artefact(key=key, content_type="image/png", size=len(DATA), sha256=sha256))
    deliver_by = datetime.now(UTC) + timedelta(seconds=600)
    ready = GenerationReady(
        generation_id=id_, outputs=tuple(outputs), made=len(outputs), deliver_by=deliver_by, provider="local"
    )
    await world.neighbours.say(ready)
    return id_, headers


async def wait_for_uploads(world: World, id_: UUID, *states: str) -> list[dict[str, Any]]:
    """The rows of the generation, once they have these states."""
    sql = (
        "SELECT output, state, tries, status, etag, error FROM bucket_uploads WHERE generation_id = $1 ORDER BY output"
    )
    found: list[dict[str, Any]] = []

    async def reached() -> bool:
        found[:] = [dict(row) for row in await world.pool.fetch(sql, id_)]
        return [row["state"] for row in found] == list(states)

    await world.until(reached)
    return found


def heard(world: World, kind: type) -> list[Any]:
    return [e.message for e in world.neighbours.heard if isinstance(e.message, kind)]


async def has_heard(world: World, kind: type, count: int) -> bool:
    return len(heard(world, kind)) == count


async def wait_for_cancel(world: World) -> CancelRequested:
    await world.until(lambda: has_heard(world, CancelRequested, 1))
    found: CancelRequested = heard(world, CancelRequested)[0]
    return found


async def test_what_a_bucket_takes_is_delivered_output_by_output(world: World) -> None:
    async with open_receiver(TAKEN, TAKEN) as bucket:
        id_, headers = await make_ready(world, bucket, 2)
        rows = await wait_for_uploads(world, id_, "delivered", "delivered")

    view = await get_view(world, headers, id_)
    assert sorted(message.path for message in bucket.got) == [f"/in?token=canary&output={n}" for n in (0, 1)]
    assert {message.body.encode() for message in bucket.got} == {DATA}
    assert {message.headers["content-type"] for message in bucket.got} == {"image/png"}
    assert [(row["status"], row["etag"], row["error"]) for row in rows] == [(200, '"0123"', None)] * 2
    await world.until(lambda: has_heard(world, OutputsDelivered, 2))
    told = [each for event in heard(world, OutputsDelivered) for each in event.delivered]
    assert sorted((each.output, each.how) for each in told) == [(0, "bucket"), (1, "bucket")]
    assert [each["how"] for each in view["delivery"]["delivered"]] == ["bucket", "bucket"]
    assert not heard(world, CancelRequested)


async def test_the_signature_of_a_url_is_never_shown(world: World) -> None:
    async with open_receiver(TAKEN) as bucket:
        id_, headers = await make_ready(world, bucket)
        await wait_for_uploads(world, id_, "delivered")

    shown = await world.client.get(f"/v1/generations/{id_}", headers=headers)
    assert shown.json()["delivery"]["deliver_to"] == [f"http://127.0.0.1:{bucket.port}/in"]
    assert "canary" not in shown.text


async def test_what_a_bucket_refuses_for_good_is_undeliverable_for_its_reason(world: World) -> None:
    async with open_receiver(REFUSED) as bucket:
        id_, _ = await make_ready(world, bucket)
        [row] = await wait_for_uploads(world, id_, "failed")

    cancel = await wait_for_cancel(world)
    assert (row["status"], row["tries"]) == (403, 1)
    assert (cancel.generation_id, cancel.cause, cancel.delivered) == (id_, "undeliverable", ())
    assert cancel.reason is not None and "it answered 403" in cancel.reason
    assert not heard(world, OutputsDelivered)


async def test_of_several_the_session_hears_what_was_taken_once_nothing_is_to_be_put_any_more(world: World) -> None:
    async with open_receiver(TAKEN, REFUSED) as bucket:
        id_, _ = await make_ready(world, bucket, 2)
        cancel = await wait_for_cancel(world)

    assert cancel.generation_id == id_
    [told] = heard(world, OutputsDelivered)
    assert [each.output for each in cancel.delivered] == [each.output for each in told.delivered]
    assert len(cancel.delivered) == 1


async def test_a_bucket_that_is_away_is_asked_again_and_after_some_tries_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_delivery, "RETRY_DELAYS_S", (0.0, 0.0))
    async with open_receiver(BUSY, BUSY, BUSY) as bucket:
        id_, _ = await make_ready(world, bucket)
        [row] = await wait_for_uploads(world, id_, "failed")

    assert (row["tries"], row["status"], len(bucket.got)) == (3, 503, 3)
    assert (await wait_for_cancel(world)).cause == "undeliverable"


async def test_a_second_try_is_delivered_as_the_first_would_have_been(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_delivery, "RETRY_DELAYS_S", (0.0,))
    async with open_receiver(BUSY, TAKEN) as bucket:
        id_, _ = await make_ready(world, bucket)
        [row] = await wait_for_uploads(world, id_, "delivered")

    assert (row["tries"], row["status"]) == (2, 200)
    await world.until(lambda: has_heard(world, OutputsDelivered, 1))
    assert not heard(world, CancelRequested)


async def test_a_bucket_that_does_not_answer_holds_back_no_outputs_of_others(world: World) -> None:
    async with open_receiver() as silent, open_receiver(TAKEN) as bucket:
        silent.hold()
        slow, _ = await make_ready(world, silent, 8)

        async def is_being_put() -> bool:
            return bool(silent.got)

        await world.until(is_being_put)
        id_, _ = await make_ready(world, bucket)
        await wait_for_uploads(world, id_, "delivered")

        tries = await world.pool.fetch("SELECT tries FROM bucket_uploads WHERE generation_id = $1", slow)
        assert [row["tries"] for row in tries] == [0] * 8
        assert len(silent.got) <= bucket_delivery.OF_OWNER_AT_ONCE


async def test_only_as_many_are_put_as_were_made(world: World) -> None:
    async with open_receiver(TAKEN) as bucket:
        id_, _ = await make_ready(world, bucket, 3, made=1)
        await wait_for_uploads(world, id_, "delivered")

    assert len(bucket.got) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"deliver_to": ["https://10.0.0.1/x"]}, "internal address"),
        ({"deliver_to": ["https://metadata.internal/x"]}, "internal name"),
        ({"deliver_to": ["ftp://bucket.shop-pictures.net/x"]}, "http"),
        ({"deliver_to": ["https://bucket.shop-pictures.net/x"], "charge": "on_completion"}, "on_delivery only"),
        ({"deliver_to": ["https://bucket.shop-pictures.net/x"], "n": 2}, "one URL for each"),
        ({"deliver_to": ["https://bucket.shop-pictures.net/x"] * 2, "n": 2}, "one URL for each"),
    ],
)
async def test_a_bucket_that_cannot_be_one_is_refused_before_anything_is_held(
    world: World, changes: dict[str, Any], why: str
) -> None:
    _, headers = await world.user()

    refused = await world.client.post(
        "/v1/generations", headers=headers, json={**IMAGE, "charge": "on_delivery", **changes}
    )

    assert refused.status_code == 400, refused.text
    assert why in refused.text
    assert not world.neighbours.heard
