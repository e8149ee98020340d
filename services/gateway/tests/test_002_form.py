"""Seed 002 on real servers: what the form answers, what it refuses and in which order, and what it leaves behind."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import Artefact, GenerationRejected, GenerationRequested, GenerationSucceeded, RenderStarted
from atelier_storage.keys import artefact_key

from .form import FORM, PATH, PICTURE, form_with, post
from .neighbours import declined
from .world import ADMIN, World

pytestmark = pytest.mark.stack
NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0}


def error(refused: httpx.Response) -> tuple[int, str]:
    """Status and code; every error has its timestamp and the request's id."""
    body = refused.json()
    assert body["success"] is False and body["error"] and body["timestamp"].endswith("Z")
    assert body["requestId"] == refused.headers["X-Request-Id"]
    return refused.status_code, body["code"]


async def test_a_form_becomes_a_pending_generation(world: World) -> None:
    """002.1 002.2 A whole form is 201 with its cost, its time and its place; the render is told all of it."""
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
    assert [(one.role, one.url) for one in asked.spec.inputs] == [("product", PICTURE), ("model", PICTURE)]
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
    """002.4 Of 15 at once 10 get in; the 11th is 429 and told when; refused ones do not count."""
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

    world.neighbours.answer = declined
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
        await world.neighbours.say(_succeeded(UUID(made.json()["data"]["_id"]), uuid4()))

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


@pytest.mark.parametrize(
    ("quality", "cost", "time"),
    [("standard", 1, "30-60 seconds"), ("high", 2, "1-2 minutes"), ("ultra", 2, "2-3 minutes")],
)
async def test_cost_and_time_are_the_seeds(world: World, quality: str, cost: int, time: str) -> None:
    """002.5 ceil(1 x 1 | 1.5 | 2), and how long it takes."""
    _, user = await world.user()

    data = (await post(world, user, quality=quality)).json()["data"]

    assert (data["estimatedCost"], data["estimatedTime"]) == (cost, time)


async def test_the_place_in_the_queue_is_the_true_one(world: World) -> None:
    """002.5 Alone it is 1; who comes later stands behind, and moves up when the first has ended."""
    owner, first = await world.user()
    _, second = await world.user()
    made = [(await post(world, who)).json()["data"] for who in (first, second)]
    assert [one["queuePosition"] for one in made] == [1, 2]

    await world.neighbours.say(_succeeded(UUID(made[0]["_id"]), owner))

    async def moved_up() -> bool:
        shown = await world.client.get(f"{PATH}/{made[1]['_id']}", headers=second)
        return bool(shown.json()["data"]["queuePosition"] == 1)

    await world.until(moved_up)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.net/res.cloudinary.com/image/upload/x.png",
        "https://res.cloudinary.com.evil.net/image/upload/x.png",
        "https://res.cloudinary.com@evil.net/image/upload/x.png",
        "https://evil.net/?u=https://res.cloudinary.com/image/upload/x.png",
        "https://res.cloudinary.com/demo/raw/upload/x.png",
        "https://res.cloudinary.com:8443/demo/image/upload/x.png",
        "https://169.254.169.254/image/upload/",
        "users/not/mine.png",
    ],
)
async def test_only_allowed_hosts_are_taken(world: World, url: str) -> None:
    """002.6 The host is the parsed one; what stands elsewhere in the URL helps nobody."""
    _, user = await world.user()

    refused = await post(world, user, productImages=[PICTURE, url])

    assert error(refused) == (400, "IMAGE_VALIDATION_ERROR")
    assert refused.json()["validationErrors"][0]["field"] == "productImages.1"
    assert await world.rows() == NOTHING


async def test_an_operator_adds_hosts(world: World) -> None:
    """002.6 ATELIER_IMAGE_HOSTS."""
    async with form_with(world, image_hosts="res.cloudinary.com/image/upload/, cdn.shop-pictures.net") as wider:
        _, user = await world.user()
        urls = [PICTURE, "https://cdn.shop-pictures.net/any/where.png"]
        taken = await wider.post(PATH, headers=user, json=FORM | {"productImages": urls})

    assert taken.status_code == 201


async def test_with_enhanced_validation_a_picture_must_be_reachable(world: World) -> None:
    """002.6 Through the fetcher that refuses internal addresses; off by default, as the other tests show."""
    name = "https://no-such-name-at-all.cloudpictures.net/image/upload/x.png"
    async with form_with(
        world, enhanced_validation=True, image_hosts="no-such-name-at-all.cloudpictures.net"
    ) as strict:
        _, user = await world.user()
        refused = await strict.post(PATH, headers=user, json=FORM | {"productImages": [name]})

    assert error(refused) == (400, "IMAGE_VALIDATION_ERROR")
    assert refused.json()["error"] == f"Failed to verify image: {name}"


async def test_a_banned_word_refuses_the_prompt(world: World) -> None:
    """002.7 In whatever case; VALIDATION_ERROR on customPrompt."""
    _, user = await world.user()

    refused = await post(world, user, customPrompt="something VIOLENT here")

    assert error(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["validationErrors"][0]["field"] == "customPrompt"


async def test_a_ratio_that_the_model_cannot_draw_is_a_model_error(world: World) -> None:
    """002.7 The aspect ratio must suit the model."""
    async with form_with(world, form_aspect_ratios="1:1") as square:
        _, user = await world.user()
        refused = await square.post(PATH, headers=user, json=FORM | {"aspectRatio": "16:9"})

    assert error(refused) == (400, "MODEL_ERROR")


async def test_every_picture_has_its_row(world: World) -> None:
    """002.8 Inputs and results, linked to the generation, in order, the first one primary."""
    owner, user = await world.user()
    second = PICTURE.replace("coat", "shoes")
    made = await post(world, user, productImages=[PICTURE, second], modelImages=[PICTURE])
    generation = UUID(made.json()["data"]["_id"])
    await world.neighbours.say(_succeeded(generation, owner))

    async def has_all() -> bool:
        return bool(await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id = $1", generation) == 4)

    await world.until(has_all)
    rows = await world.pool.fetch(
        "SELECT * FROM files WHERE generation_id = $1 ORDER BY category, image_order", generation
    )
    seen = [(r["category"], r["image_order"], r["is_primary"], r["original_url"], r["filename"]) for r in rows]
    assert seen == [
        ("model_image", 0, True, PICTURE, "model-1.jpg"),
        ("product_image", 0, True, PICTURE, "product-1.jpg"),
        ("product_image", 1, False, second, "product-2.jpg"),
        ("result", 0, True, None, "0.png"),
    ]
    result = rows[3]
    assert (result["content_type"], result["format"], result["size_bytes"]) == ("image/png", "png", 3)
    assert (result["width"], result["height"], result["owner_id"]) == (8, 9, owner)


async def test_the_health_of_the_form(world: World) -> None:
    """002.9 200 while it could take one, else 503."""
    well = await world.client.get(PATH)
    world.to_database.cut()
    ill = await world.client.get(PATH)
    await world.mend()

    assert (well.status_code, well.json()["status"]) == (200, "healthy")
    assert (ill.status_code, ill.json()["status"], ill.json()["error"]) == (503, "unhealthy", "not answering: database")
    assert well.json()["timestamp"].endswith("Z")


async def test_security_headers_stand_on_every_answer(world: World) -> None:
    """002.9 Those that the seed lists, with its values, on good and bad answers alike."""
    _, user = await world.user()
    large = b"x" * 1_100_000
    replies = [
        await post(world, user),
        await post(world, {}),
        await world.client.get(PATH),
        await world.client.get(f"{PATH}/list", headers=user),
        await world.client.post(PATH, headers=user, content=large),
    ]

    for reply in replies:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["X-XSS-Protection"] == "1; mode=block"
        assert reply.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


async def test_requests_and_errors_are_logged_with_the_seeds_fields(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """002.9 And without what is secret: no URL, no prompt, no token."""
    user_id, user = await world.user()
    caplog.set_level("INFO", "atelier_gateway.surfaces.form.journal")

    await post(world, user | {"User-Agent": "a browser"}, customPrompt="harmful canary")
    await post(world, user)

    refused, first, second = (vars(record) for record in caplog.records)
    assert (refused["msg"], first["msg"], second["msg"]) == ("form error", "form request", "form request")
    assert (first["status"], second["status"], second["endpoint"], second["method"]) == (400, 201, PATH, "POST")
    assert second["duration"] >= 0 and second["timestamp"].endswith("Z")
    assert refused["error"]["name"] == "Problem" and "prohibited" in refused["error"]["message"]
    assert refused["context"]["userId"] == str(user_id) and refused["context"]["userAgent"] == "a browser"
    assert set(refused["context"]) == {"userId", "endpoint", "method", "userAgent", "ip"}
    assert refused["requestData"]["productImages"] == 1
    assert "canary" not in str(refused) and "cloudinary" not in str(refused)


async def test_the_circuit_opens_after_five_failures(world: World) -> None:
    """002.9 Then nobody waits for what does not answer, until it is tried again."""
    world.neighbours.answer = lambda _: None
    async with form_with(world, rate_limit_enabled=False) as form:
        _, user = await world.user()
        failures = await asyncio.gather(*(form.post(PATH, headers=user, json=FORM) for _ in range(5)))
        world.neighbours.reset()
        sixth = await form.post(PATH, headers=user, json=FORM)

    assert {error(failure) for failure in failures} == {(503, "SERVER_ERROR")}
    assert error(sixth) == (503, "SERVER_ERROR") and 0 < int(sixth.headers["Retry-After"]) <= 60
    assert world.neighbours.started == []
    assert await world.rows() == NOTHING


async def test_the_user_sees_what_became_of_it(world: World) -> None:
    """002.10 ``GET /api/generate/{id}`` and the list, newest first; another user's id is as unknown as any."""
    owner, user = await world.user()
    _, stranger = await world.user()
    made = [UUID((await post(world, user)).json()["data"]["_id"]) for _ in range(3)]
    await world.neighbours.say(RenderStarted(generation_id=made[0], attempt=1))
    await world.neighbours.say(_succeeded(made[0], owner))

    async def completed() -> bool:
        shown = await world.client.get(f"{PATH}/{made[0]}", headers=user)
        return bool(shown.json()["data"]["status"] == "completed")

    await world.until(completed)
    shown = (await world.client.get(f"{PATH}/{made[0]}", headers=user)).json()["data"]
    assert shown["resultImageUrl"] == shown["resultImages"][0] and "/users/" in shown["resultImageUrl"]
    assert (shown["tokensUsed"], shown["progress"], shown["error"]) == (1, 100, None)
    assert shown["prompt"].startswith("Fashion model wearing the clothing item, photorealistic")

    page = (await world.client.get(f"{PATH}/list?limit=2", headers=user)).json()
    rest = (await world.client.get(f"{PATH}/list?limit=2&cursor={page['nextCursor']}", headers=user)).json()
    assert [one["_id"] for one in page["data"] + rest["data"]] == [str(id_) for id_ in reversed(made)]
    assert rest["nextCursor"] is None
    assert (await world.client.get(f"{PATH}/list", headers=stranger)).json()["data"] == []
    unknown = [await world.client.get(f"{PATH}/{id_}", headers=stranger) for id_ in (made[0], uuid4(), "x")]
    assert {error(one) for one in unknown} == {(404, "NOT_FOUND")}
    assert error(await world.client.get(f"{PATH}/list?limit=0", headers=user)) == (400, "VALIDATION_ERROR")


async def test_one_key_is_one_generation(world: World) -> None:
    """Settled 6: of 30 equal requests with one key all are told the same generation, whatever the hour holds."""
    user_id, user = await world.user()
    keyed = user | {"Idempotency-Key": "k1"}

    replies = await asyncio.gather(*(post(world, keyed) for _ in range(30)))

    assert {(reply.status_code, reply.content) for reply in replies} == {(201, replies[0].content)}
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM form_requests WHERE user_id = $1", user_id) == 1
    assert error(await post(world, keyed, quality="high")) == (422, "IDEMPOTENCY_KEY_REUSED")


def _succeeded(generation: UUID, owner: UUID) -> GenerationSucceeded:
    key = artefact_key("user", owner, generation, 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
    return GenerationSucceeded(
        generation_id=generation, outputs=(made,), delivered=1, captured=1, refunded=0, provider="local"
    )
