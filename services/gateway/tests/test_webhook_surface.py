"""Webhooks over the API of the running gateway: who is told what, and what of it is shown to whom."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import Artefact, GenerationFailed, GenerationRejected, RenderStarted
from atelier_gateway.limits import Rule
from atelier_gateway.settings import Settings
from atelier_gateway.store.webhooks import ENDPOINTS_MAX
from atelier_gateway.surfaces.webhooks import acts
from atelier_gateway.webhooks import noting, sending
from atelier_gateway.webhooks.happening import TYPES
from atelier_storage.keys import artefact_key

from .isolation import IMAGE
from .native import cancel, create, fail, projected, success
from .neighbours import declined, silent
from .receiver import Receiver, receiving
from .team import team_of
from .world import ADMIN, World

pytestmark = pytest.mark.stack
HOOK = {"url": "http://127.0.0.1:9/nobody-listens?token=canary"}
Headers = dict[str, str]


async def make(world: World, headers: Headers, url: str, **more: Any) -> dict[str, Any]:
    made = await world.client.post("/v1/webhooks", headers=headers, json={"url": url} | more)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def signing_secret(world: World, headers: Headers) -> str:
    return str((await world.client.get("/v1/webhooks/secret", headers=headers)).json()["secret"])


async def came(world: World, receiver: Receiver, number: int) -> None:
    async def enough() -> bool:
        return len(receiver.got) >= number

    await world.until(enough)


async def succeed(world: World, user: UUID, generation: UUID) -> None:
    key = artefact_key("user", user, generation, 0, "png")
    await world.neighbours.say(RenderStarted(generation_id=generation, attempt=1))
    await projected(world, generation, "rendering")
    output = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=256, height=256)
    await world.neighbours.say(success(generation, output))
    await projected(world, generation, "succeeded")


async def deliveries(world: World, headers: Headers, query: str = "") -> list[dict[str, Any]]:
    found = await world.client.get(f"/v1/webhooks/deliveries{query}", headers=headers)
    assert found.status_code == 200, found.text
    page: list[dict[str, Any]] = found.json()["data"]
    return page


async def until_state(world: World, headers: Headers, id_: str, state: str) -> dict[str, Any]:
    async def looks_so() -> bool:
        return bool(
            (await world.client.get(f"/v1/webhooks/deliveries/{id_}", headers=headers)).json()["state"] == state
        )

    await world.until(looks_so)
    found: dict[str, Any] = (await world.client.get(f"/v1/webhooks/deliveries/{id_}", headers=headers)).json()
    return found


async def test_an_endpoint_is_told_every_step_and_the_end_carries_fresh_urls(world: World) -> None:
    user, headers = await world.user()
    async with receiving() as receiver:
        hook = await make(world, headers, receiver.url)
        generation = await create(world, headers)
        await succeed(world, user, generation)
        await came(world, receiver, 3)

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
    async with receiving() as receiver:
        await make(world, headers, receiver.url, events=["generation.failed"])
        await fail(world, headers, await create(world, headers))
        await came(world, receiver, 1)

    assert [message.type for message in receiver.got] == ["generation.failed"]
    assert len(await deliveries(world, headers)) == 1


async def test_a_single_request_is_told_how_it_ended(world: World) -> None:
    _, headers = await world.user()
    secret = await signing_secret(world, headers)
    async with receiving() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await fail(world, headers, generation)
        await came(world, receiver, 1)

    [message] = receiver.got
    [delivery] = await deliveries(world, headers, f"?generation_id={generation}")
    assert message.type == "generation.failed" and message.data["id"] == str(generation)
    assert message.signed_with(secret)
    assert (delivery["id"], delivery["webhook_id"]) == (message.id, None)
    assert await deliveries(world, headers, f"?generation_id={uuid4()}") == []


async def test_a_request_of_seed_003_is_told_how_it_ended(world: World) -> None:
    team = await team_of(world)
    secret = (await world.client.get("/v1/webhooks/secret", headers=team.headers)).json()["secret"]
    async with receiving() as receiver:
        asked = await team.ask({"Prefer": "respond-async"}, webhookUrl=receiver.url)
        generation = UUID(asked.json()["data"]["id"])
        await projected(world, generation, "queued")
        await world.neighbours.say(
            GenerationFailed(generation_id=generation, outcome="expired", code="deadline", reason="late", refunded=1)
        )
        await came(world, receiver, 1)

    assert receiver.got[0].type == "generation.expired" and receiver.got[0].signed_with(secret)
    refused = await team.ask(webhookUrl="http://10.0.0.7/in")
    assert (refused.status_code, refused.json()["error"]["details"]["errors"][0]["field"]) == (400, "webhookUrl")


async def test_nobody_else_is_told(world: World) -> None:
    (_, owner), (_, stranger) = await world.user(), await world.user()
    async with receiving() as mine, receiving() as theirs:
        await make(world, owner, mine.url)
        await make(world, stranger, theirs.url)
        await fail(world, owner, await create(world, owner))
        await came(world, mine, 2)

    assert theirs.got == [] and await deliveries(world, stranger) == []
    assert await signing_secret(world, owner) != await signing_secret(world, stranger)


async def test_what_the_post_itself_declined_is_told_to_nobody(world: World) -> None:
    _, headers = await world.user()
    await make(world, headers, HOOK["url"])
    world.neighbours.answer = declined

    refused = await world.client.post("/v1/generations", headers=headers, json=IMAGE)

    assert refused.status_code == 402
    assert await deliveries(world, headers) == []
    assert Settings.model_fields["admission_s"].default * 2 < noting.REJECTED_AFTER_S


async def test_who_was_answered_201_is_told_of_a_later_rejection(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer, world.neighbours.verdict = silent, "reserving"
    async with receiving() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await world.neighbours.say(
            GenerationRejected(generation_id=generation, reason="insufficient_credits", required=3, available=0)
        )
        await projected(world, generation, "rejected")
        waiting = await deliveries(world, headers)
        await world.pool.execute("UPDATE webhook_deliveries SET next_try_at = now()")
        await came(world, receiver, 1)

    assert [one["state"] for one in waiting] == ["pending"]
    assert receiver.got[0].type == "generation.rejected"


async def test_a_cancel_before_the_saga_heard_of_it_is_told_too(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer, world.neighbours.verdict = silent, "reserving"
    async with receiving() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        world.neighbours.verdict = "withdrawn"
        await cancel(world, headers, generation)
        await came(world, receiver, 1)

    assert receiver.got[0].type == "generation.cancelled"


async def test_a_secret_is_shown_once_and_stands_nowhere(world: World) -> None:
    _, headers = await world.user()
    keyed = headers | {"Idempotency-Key": "k"}

    made = [await world.client.post("/v1/webhooks", headers=keyed, json=HOOK) for _ in range(2)]

    hook = made[0].json()
    assert made[0].json() == made[1].json() and made[1].headers["Idempotency-Replayed"] == "true"
    assert hook["secret"].startswith("whsec_")
    for path in ("/v1/webhooks", f"/v1/webhooks/{hook['id']}"):
        assert "whsec_" not in (await world.client.get(path, headers=headers)).text
    assert len((await world.client.get("/v1/webhooks", headers=headers)).json()["data"]) == 1
    for table in ("idempotency", "webhook_endpoints"):
        rows = await world.pool.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert hook["secret"] not in rows
    kept = await world.pool.fetchval("SELECT convert_from(reply_body, 'utf8') FROM idempotency")
    assert "whsec_" not in kept


async def test_after_a_rotation_both_secrets_verify(world: World) -> None:
    _, headers = await world.user()
    async with receiving() as receiver:
        hook = await make(world, headers, receiver.url)
        path = f"/v1/webhooks/{hook['id']}"
        rotated = (await world.client.post(f"{path}/rotate-secret", headers=headers)).json()
        await world.client.post(f"{path}/test", headers=headers)
        await came(world, receiver, 1)
        await world.pool.execute("UPDATE webhook_endpoints SET previous_until = now()")
        await world.client.post(f"{path}/test", headers=headers)
        await came(world, receiver, 2)

    first, second = receiver.got
    assert rotated["secret"] != hook["secret"] and rotated["previous_secret_until"] is not None
    assert first.type == "webhook.test" and first.data == {"webhook_id": hook["id"]}
    assert first.signed_with(hook["secret"]) and first.signed_with(rotated["secret"])
    assert second.signed_with(rotated["secret"]) and not second.signed_with(hook["secret"])


async def test_the_secret_of_single_requests_can_be_replaced(world: World) -> None:
    _, headers = await world.user()
    before = await signing_secret(world, headers)

    rotated = (await world.client.post("/v1/webhooks/secret/rotate", headers=headers)).json()

    assert rotated["secret"] != before and rotated["previous_secret_until"] is not None
    assert await signing_secret(world, headers) == rotated["secret"]


async def test_a_delivery_shows_its_attempts_and_can_be_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "POLL_EVERY_S", 0.05)
    _, headers = await world.user()
    async with receiving("500 Oh", "500 Oh", "500 Oh") as receiver:
        hook = await make(world, headers, receiver.url)
        tested = await world.client.post(f"/v1/webhooks/{hook['id']}/test", headers=headers)
        failed = await until_state(world, headers, tested.json()["id"], "failed")
        keyed = headers | {"Idempotency-Key": "k"}
        path = f"/v1/webhooks/deliveries/{failed['id']}/replay"
        replayed = [await world.client.post(path, headers=keyed) for _ in range(2)]
        delivered = await until_state(world, headers, failed["id"], "delivered")

    assert tested.status_code == 202
    assert [attempt["status"] for attempt in failed["attempts"]] == [500] * 3 and failed["next_try_at"] is None
    assert [one.status_code for one in replayed] == [202, 202] and replayed[0].content == replayed[1].content
    assert len(delivered["attempts"]) == 4
    assert {message.id for message in receiver.got} == {failed["id"]}
    of_hook = f"/v1/webhooks/{hook['id']}/deliveries?state=delivered"
    assert [one["id"] for one in (await world.client.get(of_hook, headers=headers)).json()["data"]] == [failed["id"]]


async def test_only_so_many_tests_and_replays_are_sent_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "SENDS", Rule("webhook-sends", 2, 60))
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])

    tested = [await world.client.post(f"/v1/webhooks/{hook['id']}/test", headers=headers) for _ in range(3)]
    replay = f"/v1/webhooks/deliveries/{tested[0].json()['id']}/replay"
    replayed = await world.client.post(replay, headers=headers)

    assert [one.status_code for one in tested] == [202, 202, 429]
    assert replayed.status_code == 429 and int(replayed.headers["Retry-After"]) > 0
    assert len(await deliveries(world, headers)) == 2


async def test_a_disabled_endpoint_is_told_nothing_until_it_is_enabled(world: World) -> None:
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])
    path = f"/v1/webhooks/{hook['id']}"

    off = await world.client.patch(path, headers=headers, json={"disabled": True, "description": "later"})
    await create(world, headers)
    tested = await world.client.post(f"{path}/test", headers=headers)
    on = await world.client.patch(path, headers=headers, json={"disabled": False, "events": ["generation.failed"]})

    assert off.json()["disabled"]["reason"] == "owner" and off.json()["description"] == "later"
    assert tested.status_code == 409 and await deliveries(world, headers) == []
    assert (on.json()["state"], on.json()["disabled"], on.json()["events"]) == ("enabled", None, ["generation.failed"])
    assert on.json()["url"] == HOOK["url"] and on.json()["description"] == "later"


async def test_endpoints_are_listed_page_after_page_deleted_and_bounded(world: World) -> None:
    _, headers = await world.user()
    ids = [(await make(world, headers, HOOK["url"]))["id"] for _ in range(ENDPOINTS_MAX)]

    refused = await world.client.post("/v1/webhooks", headers=headers, json=HOOK)
    first = (await world.client.get("/v1/webhooks?limit=15", headers=headers)).json()
    second = (await world.client.get(f"/v1/webhooks?cursor={first['next_cursor']}", headers=headers)).json()
    deleted = await world.client.delete(f"/v1/webhooks/{ids[0]}", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert [one["id"] for one in first["data"] + second["data"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert deleted.status_code == 204
    assert (await world.client.get(f"/v1/webhooks/{ids[0]}", headers=headers)).status_code == 404
    assert (await world.client.post("/v1/webhooks", headers=headers, json=HOOK)).status_code == 201


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7/in", "https://169.254.169.254/", "https://0x7f.1/", "https://hooks.internal/", "nowhere"]
)
async def test_a_url_that_leads_inside_is_refused_wherever_it_is_given(world: World, url: str) -> None:
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])
    before = await world.rows()

    refusals: list[tuple[httpx.Response, str]] = [
        (await world.client.post("/v1/webhooks", headers=headers, json={"url": url}), "url"),
        (await world.client.patch(f"/v1/webhooks/{hook['id']}", headers=headers, json={"url": url}), "url"),
        (await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"webhook_url": url}), "webhook_url"),
    ]

    for refused, field in refusals:
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    assert await world.rows() == before


async def test_what_a_list_cannot_be_asked_is_400(world: World) -> None:
    _, headers = await world.user()

    for query in ("state=lost", "generation_id=x", "limit=0", "cursor=x"):
        assert (await world.client.get(f"/v1/webhooks/deliveries?{query}", headers=headers)).status_code == 400
    assert (await world.client.get("/v1/webhooks")).status_code == 401


async def test_the_operators_story_tells_of_webhooks_by_their_hosts(world: World) -> None:
    _, headers = await world.user()
    async with receiving() as receiver:
        generation = await create(world, headers, IMAGE | {"webhook_url": receiver.url})
        await fail(world, headers, generation)
        await came(world, receiver, 1)
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

    assert set(described["webhooks"]) == set(TYPES.values())
    told = described["webhooks"]["generation.succeeded"]["post"]
    assert told["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/GenerationEvent")
    assert {"204", "410", "default"} == set(told["responses"])
    references = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described["webhooks"]))
    assert set(references) <= set(described["components"]["schemas"])
