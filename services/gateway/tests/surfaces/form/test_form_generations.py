"""Seed 002 on real servers: prices, places, hosts, words, rows, health, logs, and the end of a form."""

import asyncio
from uuid import UUID, uuid4

import pytest

from atelier_contracts import RenderStarted

from ...support.form import FORM, PATH, PICTURE, error, form_with, post, success_of
from ...support.world import World

pytestmark = pytest.mark.stack
NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0}


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
    assert [body["queuePosition"] for body in made] == [1, 2]

    await world.neighbours.say(success_of(UUID(made[0]["_id"]), owner))

    async def has_moved_up() -> bool:
        shown = await world.client.get(f"{PATH}/{made[1]['_id']}", headers=second)
        return bool(shown.json()["data"]["queuePosition"] == 1)

    await world.until(has_moved_up)


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
    """002.6 The host is the parsed one; other parts of the URL do not count."""
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
    """002.7 In whatever case, inside another word too; VALIDATION_ERROR on customPrompt."""
    _, user = await world.user()

    refused = await post(world, user, customPrompt="something VIOLENTLY here")

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
    await world.neighbours.say(success_of(generation, owner))

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
    journal = "atelier_gateway.surfaces.form.request_log"
    caplog.set_level("INFO", journal)

    await post(world, user | {"User-Agent": "a browser"}, customPrompt="harmful canary")
    await post(world, user)

    refused, first, second = (vars(record) for record in caplog.records if record.name == journal)
    assert (refused["msg"], first["msg"], second["msg"]) == ("form error", "form request", "form request")
    assert (first["status"], second["status"], second["endpoint"], second["method"]) == (400, 201, PATH, "POST")
    assert second["duration"] >= 0 and second["timestamp"].endswith("Z")
    assert refused["error"]["name"] == "Problem" and "prohibited" in refused["error"]["message"]
    assert refused["context"]["userId"] == str(user_id) and refused["context"]["userAgent"] == "a browser"
    assert set(refused["context"]) == {"userId", "endpoint", "method", "userAgent", "ip"}
    assert refused["requestData"]["productImages"] == 1
    assert "canary" not in str(refused) and "cloudinary" not in str(refused)


@pytest.mark.usefixtures("short_waits")
async def test_the_circuit_opens_after_five_failures(world: World) -> None:
    """002.9 Then no request waits for a database that does not answer, until the next try."""
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
    await world.neighbours.say(success_of(made[0], owner))

    async def is_completed() -> bool:
        shown = await world.client.get(f"{PATH}/{made[0]}", headers=user)
        return bool(shown.json()["data"]["status"] == "completed")

    await world.until(is_completed)
    shown = (await world.client.get(f"{PATH}/{made[0]}", headers=user)).json()["data"]
    assert shown["resultImageUrl"] == shown["resultImages"][0] and "/users/" in shown["resultImageUrl"]
    assert (shown["tokensUsed"], shown["progress"], shown["error"]) == (1, 100, None)
    assert shown["prompt"].startswith("Fashion model wearing the clothing item, photorealistic")

    page = (await world.client.get(f"{PATH}/list?limit=2", headers=user)).json()
    rest = (await world.client.get(f"{PATH}/list?limit=2&cursor={page['nextCursor']}", headers=user)).json()
    assert [row["_id"] for row in page["data"] + rest["data"]] == [str(id_) for id_ in reversed(made)]
    assert rest["nextCursor"] is None
    assert (await world.client.get(f"{PATH}/list", headers=stranger)).json()["data"] == []
    unknown = [await world.client.get(f"{PATH}/{id_}", headers=stranger) for id_ in (made[0], uuid4(), "x")]
    assert {error(reply) for reply in unknown} == {(404, "NOT_FOUND")}
    assert error(await world.client.get(f"{PATH}/list?limit=0", headers=user)) == (400, "VALIDATION_ERROR")


async def test_one_key_is_one_generation(world: World) -> None:
    """Settled 6: 30 equal requests with one key all get the same generation, whatever the hour holds."""
    user_id, user = await world.user()
    keyed = user | {"Idempotency-Key": "k1"}

    replies = await asyncio.gather(*(post(world, keyed) for _ in range(30)))

    assert {(reply.status_code, reply.content) for reply in replies} == {(201, replies[0].content)}
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM form_requests WHERE user_id = $1", user_id) == 1
    assert error(await post(world, keyed, quality="high")) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.usefixtures("short_waits")
async def test_a_form_whose_outcome_is_unknown_keeps_its_place_and_counts_in_its_hour(world: World) -> None:
    owner, user = await world.user()
    world.neighbours.verdict = None
    lost_before = world.to_database.lost_commits
    world.to_database.lose_the_commit_after(b"lose my commit", stays_cut=True)

    reply = await post(world, user, customPrompt="lose my commit")
    world.to_database.mend()

    counted = await world.pool.fetchval("SELECT count(*) FROM form_requests WHERE user_id = $1", owner)
    assert world.to_database.lost_commits == lost_before + 1
    assert error(reply) == (503, "SERVER_ERROR")
    assert reply.headers["Retry-After"] == "30", "what an unknown outcome says, not a certain refusal"
    assert counted == 1
