"""Which webhooks the running gateway sends, and to which receivers."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationFailed, GenerationRejected
from atelier_gateway.settings import Settings
from atelier_gateway.webhooks import enqueuer
from atelier_gateway.webhooks.events import CAP_REACHED, DISPUTE_DECIDED, TYPES

from ...support.isolation import IMAGE
from ...support.native import cancel, create, fail, wait_until_projected
from ...support.neighbours import decline, ignore
from ...support.webhook_receiver import open_receiver
from ...support.webhooks import HOOK, deliveries, get_signing_secret, make, succeed, until_state, wait_for_messages
from ...support.workspace import team_of
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack


async def test_an_endpoint_is_told_every_step_and_the_end_carries_fresh_urls(world: World) -> None:
    user, headers = await world.user()
    async with open_receiver() as receiver:
        hook = await make(world, headers, receiver.url)
        generation = await create(world, headers)
        await succeed(world, user, generation)
        await wait_for_messages(world, receiver, 3)

    told = {message.type: message for message in receiver.got}
    assert [message.type.removeprefix("generation.") for message in receiver.got] == [
        "queued",
        "rendering",
        "succeeded",
    ]
    assert all(message.signed_with(hook["secret"]) for message in receiver.got)
    assert told["generation.queued"].data["outputs"] == []
    end = told["generation.succeeded"].data
    shown = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
    assert "X-Amz-Signature=" in end["outputs"][0]["url"] and "canary" not in end["outputs"][0]["url"]
    assert _without_urls(end) == _without_urls(shown)
    assert receiver.got[0].headers["content-type"] == "application/json"


def _without_urls(generation: dict[str, Any]) -> dict[str, Any]:
    return generation | {"outputs": [output | {"url": ""} for output in generation["outputs"]]}


async def test_only_the_events_that_were_named_are_told(world: World) -> None:
    _, headers = await world.user()
    async with open_receiver() as receiver:
        await make(world, headers, receiver.url, events=["generation.failed"])
        await fail(world, headers, await create(world, headers))
        await wait_for_messages(world, receiver, 1)

    assert [message.type for message in receiver.got] == ["generation.failed"]
    assert len(await deliveries(world, headers)) == 1


async def test_a_single_request_is_told_how_it_ended(world: World) -> None:
    _, headers = await world.user()
    secret = await get_signing_secret(world, headers)
    async with open_receiver() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await fail(world, headers, generation)
        await wait_for_messages(world, receiver, 1)

    [message] = receiver.got
    [delivery] = await deliveries(world, headers, f"?generation_id={generation}")
    assert message.type == "generation.failed" and message.data["id"] == str(generation)
    assert message.signed_with(secret)
    assert (delivery["id"], delivery["webhook_id"]) == (message.id, None)
    assert await deliveries(world, headers, f"?generation_id={uuid4()}") == []


async def test_a_request_of_seed_003_is_told_how_it_ended(world: World) -> None:
    team = await team_of(world)
    secret = (await world.client.get("/v1/webhooks/secret", headers=team.headers)).json()["secret"]
    async with open_receiver() as receiver:
        asked = await team.ask({"Prefer": "respond-async"}, webhookUrl=receiver.url)
        generation = UUID(asked.json()["data"]["id"])
        await wait_until_projected(world, generation, "queued")
        await world.neighbours.say(
            GenerationFailed(generation_id=generation, outcome="expired", code="deadline", reason="late", refunded=1)
        )
        await wait_for_messages(world, receiver, 1)

    assert receiver.got[0].type == "generation.expired" and receiver.got[0].signed_with(secret)
    refused = await team.ask(webhookUrl="http://10.0.0.7/in")
    assert (refused.status_code, refused.json()["error"]["details"]["errors"][0]["field"]) == (400, "webhookUrl")


async def test_nobody_else_is_told(world: World) -> None:
    (_, owner), (_, stranger) = await world.user(), await world.user()
    async with open_receiver() as mine, open_receiver() as theirs:
        await make(world, owner, mine.url)
        await make(world, stranger, theirs.url)
        await fail(world, owner, await create(world, owner))
        await wait_for_messages(world, mine, 2)

    assert theirs.got == [] and await deliveries(world, stranger) == []
    assert await get_signing_secret(world, owner) != await get_signing_secret(world, stranger)


async def test_what_the_post_itself_declined_is_told_to_nobody(world: World) -> None:
    _, headers = await world.user()
    await make(world, headers, HOOK["url"])
    world.neighbours.answer = decline

    refused = await world.client.post("/v1/generations", headers=headers, json=IMAGE)

    assert refused.status_code == 402
    assert await deliveries(world, headers) == []
    assert Settings.model_fields["admission_s"].default * 2 < enqueuer.REJECTED_AFTER_S


@pytest.mark.usefixtures("short_waits")
async def test_who_was_answered_201_is_told_of_a_later_rejection(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer, world.neighbours.verdict = ignore, "reserving"
    async with open_receiver() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await world.neighbours.say(
            GenerationRejected(generation_id=generation, reason="insufficient_credits", required=3, available=0)
        )
        await wait_until_projected(world, generation, "rejected")
        waiting = await deliveries(world, headers)
        await world.pool.execute("UPDATE webhook_deliveries SET next_try_at = now()")
        await wait_for_messages(world, receiver, 1)

    assert [delivery["state"] for delivery in waiting] == ["pending"]
    assert receiver.got[0].type == "generation.rejected"


@pytest.mark.usefixtures("short_waits")
async def test_a_cancel_before_the_saga_heard_of_it_is_told_too(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer, world.neighbours.verdict = ignore, "reserving"
    async with open_receiver() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        world.neighbours.verdict = "withdrawn"
        await cancel(world, headers, generation)
        await wait_for_messages(world, receiver, 1)

    assert receiver.got[0].type == "generation.cancelled"


async def test_after_a_rotation_both_secrets_verify(world: World) -> None:
    _, headers = await world.user()
    async with open_receiver() as receiver:
        hook = await make(world, headers, receiver.url)
        path = f"/v1/webhooks/{hook['id']}"
        rotated = (await world.client.post(f"{path}/rotate-secret", headers=headers)).json()
        await world.client.post(f"{path}/test", headers=headers)
        await wait_for_messages(world, receiver, 1)
        await world.pool.execute("UPDATE webhook_endpoints SET previous_until = now()")
        await world.client.post(f"{path}/test", headers=headers)
        await wait_for_messages(world, receiver, 2)

    first, second = receiver.got
    assert rotated["secret"] != hook["secret"] and rotated["previous_secret_until"] is not None
    assert first.type == "webhook.test" and first.data == {"webhook_id": hook["id"]}
    assert first.signed_with(hook["secret"]) and first.signed_with(rotated["secret"])
    assert second.signed_with(rotated["secret"]) and not second.signed_with(hook["secret"])


async def test_the_operators_story_tells_of_webhooks_by_their_hosts(world: World) -> None:
    _, headers = await world.user()
    async with open_receiver() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await fail(world, headers, generation)
        await wait_for_messages(world, receiver, 1)
        [delivery] = await deliveries(world, headers)
        await until_state(world, headers, delivery["id"], "delivered")

    own = await world.client.get(f"/v1/generations/{generation}/explain", headers=headers)
    story = await world.client.get(f"/v1/admin/generations/{generation}/explain", headers=ADMIN)
    told = [step["what"] for step in story.json()["steps"] if "webhook" in step["what"]]
    assert told == [f"webhook generation.failed to 127.0.0.1:{receiver.port}, try 1: 204"]
    steps = [step["what"] for step in own.json()["steps"]]
    assert f"the webhook generation.failed was taken by 127.0.0.1:{receiver.port}" in steps
    assert "canary" not in story.text + own.text


async def test_what_is_sent_is_described_with_its_body_and_without_loose_ends(world: World) -> None:
    described = (await world.client.get("/openapi.json")).json()

    assert set(described["webhooks"]) == {*TYPES.values(), DISPUTE_DECIDED, CAP_REACHED}
    told = described["webhooks"]["generation.succeeded"]["post"]
    assert told["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/GenerationEvent")
    assert {"204", "410", "default"} == set(told["responses"])
    references = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described["webhooks"]))
    assert set(references) <= set(described["components"]["schemas"])
