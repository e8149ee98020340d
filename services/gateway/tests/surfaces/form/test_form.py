"""Seed 002 on real servers: what the form answers, what it refuses and in which order, and how many it takes."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationRejected, GenerationRequested

from ...support.form import FORM, PATH, PICTURE, error, form_with, post, success_of
from ...support.neighbours import decline
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0}


async def test_a_form_becomes_a_pending_generation(world: World) -> None:
    """002.1 002.2 A whole form is 201 with its cost, its time and its place; the render gets all of it."""
    _, user = await world.user()
    parameters = {"guidance_scale": 9, "num_inference_steps": 30, "strength": 0.5, "seed": 7}
    whole = {"modelImages": [PICTURE], "quality": "ultra", "customPrompt": "in the rain", "parameters": parameters}

    made = await post(world, user, **whole)

    assert made.status_code == 201
    data = made.json()["data"]
    assert made.json() == {
        "success": True,
        "data": {
            "_id": data["_id"],
            "status": "pending",
            "estimatedCost": 2,
            "estimatedTime": "2-3 minutes",
            "queuePosition": 1,
        },
    }
    asked = next(e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested))
    assert [(ref.role, ref.url) for ref in asked.spec.inputs] == [("product", PICTURE), ("model", PICTURE)]
    assert (asked.spec.size, asked.spec.style, asked.spec.seed) == ("1024x1024", "realistic", 7)
    assert asked.spec.tuning is not None and asked.spec.tuning.num_inference_steps == 30


async def test_the_older_form_is_understood(world: World) -> None:
    """002.1 ``productImage`` and ``modelImage`` become arrays of one."""
    _, user = await world.user()
    body = {name: value for name, value in FORM.items() if name != "productImages"}

    made = await world.client.post(PATH, headers=user, json=body | {"productImage": PICTURE, "modelImage": PICTURE})

    shown = (await world.client.get(f"{PATH}/{made.json()['data']['_id']}", headers=user)).json()["data"]
    assert (shown["productImages"], shown["modelImages"]) == ([PICTURE], [PICTURE])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"productImages": [PICTURE] * 6}, "productImages"),
        ({"modelImages": [PICTURE] * 4}, "modelImages"),
        ({"style": "baroque"}, "style"),
        ({"aspectRatio": "4:3"}, "aspectRatio"),
        ({"quality": "low"}, "quality"),
        ({"model": "dall-e-2"}, "model"),
        ({"customPrompt": "x" * 501}, "customPrompt"),
        ({"parameters": {"guidance_scale": 0.5}}, "parameters.guidance_scale"),
        ({"parameters": {"num_inference_steps": 101}}, "parameters.num_inference_steps"),
        ({"parameters": {"strength": 1.1}}, "parameters.strength"),
        ({"parameters": {"seed": "7"}}, "parameters.seed"),
        ({"userId": str(uuid4())}, "userId"),
        ({"estimatedCost": 0}, "estimatedCost"),
    ],
)
async def test_each_field_has_its_bounds(world: World, changes: dict[str, Any], field: str) -> None:
    """002.1 002.3 What the schema does not take is VALIDATION_ERROR and names the field."""
    _, user = await world.user()

    refused = await post(world, user, **changes)

    assert error(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["error"] == "Invalid request data"
    assert refused.json()["validationErrors"][0]["field"] == field
    assert await world.rows() == NOTHING


@pytest.mark.parametrize("given", [{"productImages": []}, {}])
async def test_no_product_image_is_told_in_the_seeds_sentence(world: World, given: dict[str, Any]) -> None:
    """002.3 ``At least one product image is required``."""
    _, user = await world.user()
    body = {name: value for name, value in FORM.items() if name != "productImages"} | given

    refused = await world.client.post(PATH, headers=user, json=body)

    assert error(refused) == (400, "VALIDATION_ERROR")
    expected = {"field": "productImages", "message": "At least one product image is required"}
    assert expected in refused.json()["validationErrors"]


async def test_who_is_not_signed_in_or_disabled_is_told_so(world: World) -> None:
    """002.3 AUTHENTICATION_REQUIRED 401 and ACCOUNT_DISABLED 403."""
    user_id, user = await world.user()
    _, store = await world.store()

    assert error(await post(world, {})) == (401, "AUTHENTICATION_REQUIRED")
    assert error(await post(world, store)) == (401, "AUTHENTICATION_REQUIRED")
    await world.client.patch(f"/v1/admin/users/{user_id}", headers=ADMIN, json={"disabled": True})
    assert error(await post(world, user)) == (403, "ACCOUNT_DISABLED")
    assert await world.rows() == NOTHING


async def test_the_session_cookie_signs_in_but_not_from_another_site(world: World) -> None:
    """002 A NextAuth session's cookie is as good as its token, for JSON, which no foreign page can send."""
    _, user = await world.user()
    token = user["Authorization"].partition(" ")[2]
    cookie = {"Cookie": f"next-auth.session-token={token}"}
    forged = cookie | {"Content-Type": "text/plain"}

    assert (await post(world, cookie)).status_code == 201
    refused = await world.client.post(PATH, headers=forged, content=b"{}")
    assert error(refused) == (401, "AUTHENTICATION_REQUIRED")


async def test_too_few_tokens_are_told_to_the_token(world: World) -> None:
    """002.3 INSUFFICIENT_TOKENS is 400, with the sentence and the shortfall; nothing is left and nothing is counted."""
    user_id, user = await world.user()

    def poor(request: GenerationRequested) -> GenerationRejected:
        return GenerationRejected(
            generation_id=request.generation_id, reason="insufficient_credits", required=2, available=1
        )

    world.neighbours.answer = poor
    refused = await post(world, user, quality="high")

    assert error(refused) == (400, "INSUFFICIENT_TOKENS")
    assert refused.json()["error"] == "Insufficient tokens. Required: 2, Available: 1"
    assert refused.json()["details"] == "You need 1 more tokens to proceed."
    assert await world.rows() == NOTHING
    assert await world.pool.fetchval("SELECT count(*) FROM form_requests WHERE user_id = $1", user_id) == 0


async def test_a_body_of_more_than_a_megabyte_is_413(world: World) -> None:
    """002.3 REQUEST_TOO_LARGE, judged after the credential and before the schema."""
    _, user = await world.user()
    large = b'{"style":"' + b"x" * 1_048_576 + b'"}'

    assert error(await world.client.post(PATH, headers=user, content=large)) == (413, "REQUEST_TOO_LARGE")
    assert error(await world.client.post(PATH, content=large)) == (401, "AUTHENTICATION_REQUIRED")


async def test_ten_an_hour_are_accepted_however_they_come(world: World) -> None:
    """002.4 Of 15 at once 10 get in; the 11th is 429 with the time to wait; refused ones do not count."""
    _, user = await world.user()
    assert (await post(world, user, style="baroque")).status_code == 400

    replies = await asyncio.gather(*(post(world, user) for _ in range(15)))

    assert sorted(reply.status_code for reply in replies) == [201] * 10 + [429] * 5
    late = next(reply for reply in replies if reply.status_code == 429)
    assert error(late) == (429, "RATE_LIMIT_EXCEEDED")
    assert 0 < int(late.headers["Retry-After"]) <= 3_600
    assert late.json()["error"] == "Rate limit exceeded. Please wait before making another request."
    _, other = await world.user()
    assert (await post(world, other)).status_code == 201


async def test_the_hour_slides(world: World) -> None:
    """002.4 What was accepted an hour ago makes room, one by one."""
    user_id, user = await world.user()
    for _ in range(10):
        assert (await post(world, user)).status_code == 201
    await world.pool.execute(
        "UPDATE form_requests SET at = at - interval '61 minutes'"
        " WHERE id = (SELECT id FROM form_requests WHERE user_id = $1 ORDER BY at LIMIT 1)",
        user_id,
    )

    assert [(await post(world, user)).status_code for _ in range(2)] == [201, 429]


async def test_what_was_declined_does_not_count_towards_the_hour(world: World) -> None:
    """002.4 Only accepted requests count."""
    _, user = await world.user()

    world.neighbours.answer = decline
    assert {(await post(world, user)).status_code for _ in range(11)} == {400}
    world.neighbours.reset()
    assert (await post(world, user)).status_code == 201


async def test_the_queue_has_a_capacity(world: World) -> None:
    """002.4 Of 6 at once with room for 3, 3 get in and 3 are QUEUE_FULL; an ended one makes room."""
    async with form_with(world, queue_max_size=3) as small:
        users = [(await world.user())[1] for _ in range(6)]
        replies = await asyncio.gather(*(small.post(PATH, headers=user, json=FORM) for user in users))

        assert sorted(reply.status_code for reply in replies) == [201] * 3 + [503] * 3
        full = next(reply for reply in replies if reply.status_code == 503)
        assert error(full) == (503, "QUEUE_FULL")
        assert sorted(r.json()["data"]["queuePosition"] for r in replies if r.status_code == 201) == [1, 2, 3]

        made = next(reply for reply in replies if reply.status_code == 201)
        await world.neighbours.say(success_of(UUID(made.json()["data"]["_id"]), uuid4()))

        async def has_room() -> bool:
            return (await small.post(PATH, headers=users[0], json=FORM)).status_code == 201

        await world.until(has_room)


async def test_who_could_not_pay_is_told_that_before_the_queue(world: World) -> None:
    """002.3 The order is balance, then capacity."""
    async with form_with(world, queue_max_size=1) as small:
        (_, first), (_, second) = await world.user(), await world.user()
        assert (await small.post(PATH, headers=first, json=FORM)).status_code == 201
        world.neighbours.balance = 1

        refused = await small.post(PATH, headers=second, json=FORM | {"quality": "ultra"})

    assert error(refused) == (400, "INSUFFICIENT_TOKENS")
    assert refused.json()["details"] == "You need 1 more tokens to proceed."


@pytest.mark.parametrize("flag", ["new_generation_endpoint", "generation_enabled"])
async def test_a_flag_that_is_off_answers_503(world: World, flag: str) -> None:
    """002.4 ``{"error": "Endpoint not available"}``, before anything else is looked at."""
    async with form_with(world, **{flag: False}) as off:
        refused = await off.post(PATH, json={})

    assert (refused.status_code, refused.json()) == (503, {"error": "Endpoint not available"})


async def test_limits_can_be_switched_off(world: World) -> None:
    """002.4 RATE_LIMIT_ENABLED=false."""
    async with form_with(world, rate_limit_enabled=False) as unlimited:
        _, user = await world.user()
        statuses = [(await unlimited.post(PATH, headers=user, json=FORM)).status_code for _ in range(11)]

    assert statuses == [201] * 11
