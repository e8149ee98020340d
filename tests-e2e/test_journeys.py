"""What a client lives through, on the running system."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import pytest

from atelier_local.api_client.client import AdminClient, Client, RequestRefused
from atelier_local.demo import photos as demo_photos
from whole_system.world import IMAGES, World

MakeStore = Callable[[int], Awaitable[Client]]


async def test_a_try_on_from_uploaded_photographs_is_rendered_stored_and_charged_once(
    world: World, store: MakeStore
) -> None:
    client = await store(5)
    person = await client.upload("person.png", "image/png", demo_photos.person_photo())
    garment = await client.upload("garment.jpg", "image/jpeg", demo_photos.garment_photo())

    started = await client.try_on([person.url, garment.key])
    done = await world.wait_until_ended(client, started.session_id)
    picture = await client.download(str(done.generated_image_url))
    generation = await client.generation(started.session_id)

    assert done.status == "completed"
    assert picture.startswith(b"\x89PNG")
    assert generation.outputs[0].checksum == f"sha256:{hashlib.sha256(picture).hexdigest()}"
    assert generation.outputs[0].key.startswith(f"stores/{world.id_of(client)}/generated/")
    assert (await world.balance(client)).captured == 1


async def test_without_credits_the_answer_is_402_and_nothing_is_created(world: World, store: MakeStore) -> None:
    client = await store(0)
    before = await world.rows()

    with pytest.raises(RequestRefused) as error:
        await client.try_on(IMAGES, simulate="outcome=succeed")

    after = await world.rows()
    assert error.value.status == 402
    assert (await world.balance(client)).granted == 0
    # The saga keeps the story of the refusal for operators; nothing a client could see, own or pay for exists.
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"session.sagas": 1}


async def test_a_failing_render_is_refunded_in_full(world: World, store: MakeStore) -> None:
    client = await store(3)

    started = await client.try_on(IMAGES, simulate="outcome=fail")
    done = await world.wait_until_ended(client, started.session_id)

    balance = await world.balance(client)
    assert done.status == "failed"
    assert done.error_message
    assert (balance.available, balance.held, balance.captured) == (3, 0, 0)


async def test_two_of_four_delivered_are_charged_and_two_returned(world: World, store: MakeStore) -> None:
    client = await store(100)
    body = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "n": 4}

    started = await client.create(body, {"X-Atelier-Simulate": "outcome=partial:2"})
    await world.wait_until_ended(client, started.id)

    generation = await client.generation(started.id)
    assert generation.status == "succeeded"
    assert (generation.credits.captured, generation.credits.refunded) == (6, 6)
    assert len(generation.outputs) == 2
    assert (await world.balance(client)).available == 94


@pytest.mark.parametrize("outcome", ["lost_response", "corrupt"])
async def test_a_doubtful_render_is_charged_only_if_its_picture_exists(
    world: World, store: MakeStore, outcome: str
) -> None:
    client = await store(2)

    started = await client.try_on(IMAGES, simulate=f"outcome={outcome}")
    done = await world.wait_until_ended(client, started.session_id)

    balance = await world.balance(client)
    assert balance.captured == (1 if done.status == "completed" else 0)
    assert balance.held == 0
    if done.status == "completed":
        assert await client.download(str(done.generated_image_url))


async def test_the_same_key_twice_is_one_generation_and_the_same_reply(world: World, store: MakeStore) -> None:
    client = await store(5)
    key = str(uuid4())

    first = await client.try_on(IMAGES, simulate="outcome=succeed", idempotency_key=key)
    again = await client.try_on(IMAGES, simulate="outcome=succeed", idempotency_key=key)
    await world.wait_until_ended(client, first.session_id)

    assert again == first
    assert (await world.balance(client)).captured == 1


async def test_another_body_with_the_same_key_is_422(world: World, store: MakeStore) -> None:
    client = await store(5)
    first = await client.try_on(IMAGES, simulate="outcome=succeed", idempotency_key="one-key")
    await world.wait_until_ended(client, first.session_id)

    with pytest.raises(RequestRefused) as error:
        await client.try_on([*IMAGES, IMAGES[1]], simulate="outcome=succeed", idempotency_key="one-key")

    assert error.value.status == 422
    assert (await world.balance(client)).captured == 1


async def test_a_hundred_equal_posts_at_once_are_one_generation(world: World, store: MakeStore) -> None:
    client = await store(100)
    key = str(uuid4())

    async def post() -> str:
        try:
            return (await client.try_on(IMAGES, simulate="outcome=succeed", idempotency_key=key)).session_id
        except RequestRefused as error:
            return "in progress" if error.status == 409 else f"refused with {error.status}"

    answers = set(await asyncio.gather(*(post() for _ in range(100)))) - {"in progress"}

    assert len(answers) == 1
    await world.wait_until_ended(client, answers.pop())
    assert (await world.balance(client)).captured == 1


async def test_another_stores_generation_answers_exactly_as_an_unknown_one(world: World, store: MakeStore) -> None:
    mine, theirs = await store(2), await store(2)
    started = await theirs.try_on(IMAGES, simulate="outcome=succeed")
    await world.wait_until_ended(theirs, started.session_id)

    answers = []
    for id_ in (started.session_id, str(uuid4())):
        for path in (f"/api/v1/generation/{id_}", f"/v1/generations/{id_}"):
            with pytest.raises(RequestRefused) as error:
                await mine.ask("read", "GET", path)
            answers.append((path.split("/")[1], error.value.status, error.value.code, error.value.detail))

    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert {status for _, status, _, _ in answers} == {404}


async def test_another_stores_upload_is_refused_as_unknown(world: World, store: MakeStore) -> None:
    mine, theirs = await store(2), await store(2)
    upload = await theirs.upload("person.png", "image/png", demo_photos.person_photo())

    for image in (upload.key, upload.url):
        with pytest.raises(RequestRefused) as error:
            await mine.try_on([image, IMAGES[1]])
        assert error.value.status == 400

    assert (await world.balance(mine)).available == 2


async def test_a_disabled_user_is_shut_out_and_a_wrong_key_is_401(world: World, admin: AdminClient) -> None:
    user = await admin.create_user(f"{uuid4()}@example.com")
    token = await admin.issue_token(user)
    await admin.grant("user", user, 5, reason="test")
    body = {"kind": "image", "prompt": "a tree", "size": "256x256"}
    headers = {"X-Atelier-Simulate": "outcome=succeed"}

    async with Client(world.url, token) as client:
        started = await client.create(body, headers)
        await admin.disable_user(user)
        with pytest.raises(RequestRefused) as shut_out:
            await client.create(body, headers)
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        unknown = await stranger.get(f"/v1/generations/{started.id}", headers={"Authorization": "Bearer atl_x_y"})

    assert shut_out.value.status == 403
    assert unknown.status_code == 401


async def test_a_story_is_explained_step_by_step(world: World, store: MakeStore, admin: AdminClient) -> None:
    client = await store(2)
    started = await client.try_on(IMAGES, simulate="outcome=succeed")
    await world.wait_until_ended(client, started.session_id)

    story = await admin.explain(started.session_id)

    told = [step["service"] for step in story["steps"]]
    assert {"gateway", "session", "billing", "render"} <= set(told)
    assert story["state"] == "succeeded"
    assert [step["posting"]["kind"] for step in story["steps"] if "posting" in step] == ["reserve", "capture"]
