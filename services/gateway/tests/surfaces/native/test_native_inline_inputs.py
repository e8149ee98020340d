"""Pictures in the body of a create: stored as inputs, and removed where the request fails."""

import base64
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image

from atelier_contracts import GenerationDeleted, GenerationRequested
from atelier_gateway.idempotency.keys import REBUILD_AFTER
from atelier_storage.keys import upload_key

from ...support.native import IMAGE, create, fail
from ...support.neighbours import decline
from ...support.world import World

pytestmark = pytest.mark.stack


def image_bytes() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(made, "PNG")
    return made.getvalue()


def picture() -> str:
    """A small picture as a data: URI."""
    return f"data:image/png;base64,{base64.b64encode(image_bytes()).decode()}"


def with_data(*data: str) -> dict[str, Any]:
    return IMAGE | {"inputs": [{"role": "image", "data": text} for text in data]}


async def test_a_picture_in_the_body_is_stored_and_named_by_its_key_and_digest(world: World) -> None:
    user, headers = await world.user()

    generation = await create(world, headers, with_data(picture()))

    [asked] = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    [given] = asked.spec.inputs
    key, sha256 = given.key, given.sha256
    assert key is not None and key.startswith(f"users/{user}/inputs/") and key.endswith(f"/{sha256}")
    rows = await world.pool.fetch("SELECT width, generation_id FROM files WHERE key = $1", key)
    assert [row["width"] for row in rows] == [64, 64]
    assert {row["generation_id"] for row in rows} == {None, generation}
    assert "base64" not in await world.pool.fetchval("SELECT request::text FROM generations")


async def test_a_key_whose_first_request_died_unanswered_leads_to_what_that_paid_for_with_the_last_credits(
    world: World,
) -> None:
    _, headers = await world.user()
    keyed = headers | {"Idempotency-Key": "p1"}
    first = await world.client.post("/v1/generations", headers=keyed, json=with_data(picture()))
    age = REBUILD_AFTER + timedelta(seconds=1)
    await world.pool.execute(
        "UPDATE idempotency SET reply_status = NULL, reply_body = NULL, claimed_at = now() - $1::interval", age
    )
    world.neighbours.balance = 0

    again = await world.client.post("/v1/generations", headers=keyed, json=with_data(picture()))

    assert again.status_code == 201, again.text
    assert again.json()["id"] == first.json()["id"]
    assert len(world.neighbours.started) == 1


async def test_the_same_picture_under_the_same_key_is_stored_once(world: World) -> None:
    _, headers = await world.user()
    keyed = headers | {"Idempotency-Key": "p1"}

    replies = [await world.client.post("/v1/generations", headers=keyed, json=with_data(picture())) for _ in range(2)]

    assert replies[0].content == replies[1].content
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


@pytest.mark.parametrize(
    "data", ["hello", "data:image/png;base64,AAAA", "data:text/html;base64,AAAA", "data:image/png;base64,%%"]
)
async def test_what_is_no_picture_is_400_and_leaves_nothing_behind(world: World, data: str) -> None:
    _, headers = await world.user()

    refused = await world.client.post("/v1/generations", headers=headers, json=with_data(picture(), data))

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "inputs.1.data")
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_pictures_of_a_declined_request_are_removed_again(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer = decline

    refused = await world.client.post("/v1/generations", headers=headers, json=with_data(picture()))

    assert refused.status_code == 402
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_an_input_names_exactly_one_picture(world: World) -> None:
    _, headers = await world.user()
    both = {"role": "image", "data": picture(), "url": "https://cdn.shop-pictures.net/me.png"}

    for inputs in ([both], [{"role": "image"}]):
        refused = await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"inputs": inputs})
        assert refused.status_code == 400


async def create_and_fail(world: World, headers: dict[str, str], body: dict[str, Any]) -> UUID:
    generation = await create(world, headers, body)
    await fail(world, headers, generation)
    return generation


def deletions(world: World) -> list[GenerationDeleted]:
    """In order; session and render both hear of each."""
    heard = (envelope.message for envelope in world.neighbours.heard if isinstance(envelope.message, GenerationDeleted))
    return list({deletion.generation_id: deletion for deletion in heard}.values())


async def test_what_a_deleted_generation_was_made_of_goes_with_it(world: World) -> None:
    _, headers = await world.user()
    generation = await create_and_fail(world, headers, with_data(picture()))
    key = await world.pool.fetchval("SELECT key FROM files WHERE generation_id = $1", generation)

    assert (await world.client.delete(f"/v1/generations/{generation}", headers=headers)).status_code == 204

    async def has_received() -> bool:
        return bool(deletions(world))

    await world.until(has_received)
    assert deletions(world) == [GenerationDeleted(generation_id=generation, inputs=(key,))]
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_an_upload_stays_until_the_last_generation_made_of_it_is_deleted(world: World) -> None:
    user, headers = await world.user()
    upload = upload_key("user", user, uuid4(), "me.png")
    await world.container.objects.put(upload, image_bytes(), "image/png")
    body = IMAGE | {"inputs": [{"role": "image", "key": upload}]}
    generations = [await create_and_fail(world, headers, body) for _ in range(2)]
    [key] = {row["key"] for row in await world.pool.fetch("SELECT key FROM files")}

    for generation in generations:
        assert (await world.client.delete(f"/v1/generations/{generation}", headers=headers)).status_code == 204

    async def has_received() -> bool:
        return len(deletions(world)) == 2

    await world.until(has_received)
    assert [deletion.inputs for deletion in deletions(world)] == [(), (key, upload)]


async def test_of_a_deleted_generation_webhooks_tell_only_which_it_was_and_how_it_ended(world: World) -> None:
    user, headers = await world.user()
    canary = "canary-4711"
    body = IMAGE | {"prompt": canary, "webhook_url": f"https://hooks.shop-pictures.net/{canary}"}
    generation = await create_and_fail(world, headers, body)
    content = f'{{"type": "generation.failed", "data": {{"id": "{generation}", "metadata": {{"a": "{canary}"}}}}}}'
    await world.pool.execute(
        "INSERT INTO webhook_deliveries (id, owner_kind, owner_id, url, target, type, generation_id, payload)"
        " VALUES ($1, 'user', $2, 'https://hooks.shop-pictures.net/', 't', 'generation.failed', $3, $4)",
        uuid4(), user, generation, json.loads(content),
    )  # fmt: skip

    await world.client.delete(f"/v1/generations/{generation}", headers=headers)

    kept = [row["payload"] for row in await world.pool.fetch("SELECT payload FROM webhook_deliveries")]
    assert kept and canary not in json.dumps(kept)
    assert {reply["data"]["id"] for reply in kept} == {str(generation)}
