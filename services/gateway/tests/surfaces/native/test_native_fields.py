"""The native surface: the request comes back, written defaults are accepted, unknown models are not."""

from typing import Any

import pytest

from atelier_contracts import GenerationCancelled, GenerationRequested, RenderStarted
from atelier_gateway.surfaces.native.requests import GenerationRequest

from ...support.native import IMAGE, create, get_view, success, wait_until_projected
from ...support.neighbours import decline
from ...support.provider_offers import LOCAL, OPENAI, row, surfaces_where
from ...support.world import World

ORDER = {"order": "4711", "user": "ä b"}
ASKED: dict[str, Any] = {
    "kind": "image",
    "prompt": "a red bicycle",
    "size": "1024x1024",
    "style": "vivid",
    "quality": "hd",
    "format": "webp",
    "n": 2,
    "seed": 7,
    "provider": "openai",
    "model": "gpt-image-2",
    "priority": "high",
    "reuse": True,
    "deadline_s": 60,
    "webhook_url": "https://shop.example.org/hooks",
    "metadata": ORDER,
}


def test_a_default_that_is_written_down_is_no_wish_of_another_kind() -> None:
    fields = GenerationRequest.model_fields
    written = {name: field.get_default(call_default_factory=True) for name, field in fields.items() if name != "kind"}

    for kind in ("image", "try_on", "narration"):
        GenerationRequest.model_validate({**written, "kind": kind})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("image", "audio_format", "wav"),
        ("image", "language", "en"),
        ("try_on", "text", "Once."),
        ("narration", "size", "256x256"),
        ("narration", "quality", "low"),
        ("narration", "format", "webp"),
    ],
)
@pytest.mark.stack
async def test_what_makes_no_difference_to_the_kind_is_refused(world: World, kind: str, field: str, value: str) -> None:
    _, headers = await world.store()
    body = {"kind": kind, "prompt": "once upon a time", field: value}

    refused = await world.client.post("/v1/generations", headers=headers, json=body)

    assert refused.status_code == 400 and f"{field} is for" in refused.json()["detail"]


@pytest.mark.stack
async def test_what_was_asked_and_its_metadata_come_back_in_every_view(world: World) -> None:
    _, headers = await world.store()

    made = await world.client.post("/v1/generations", headers=headers, json=ASKED)
    generation = made.json()["id"]
    found = await world.client.get(f"/v1/generations/{generation}", headers=headers)
    listed = await world.client.get("/v1/generations", headers=headers)
    receipt = await world.client.get(f"/v1/generations/{generation}/receipt", headers=headers)
    story = await world.client.get(f"/v1/generations/{generation}/explain", headers=headers)

    assert made.status_code == 201, made.text
    asked = ASKED | {"asked_provider": "openai"}
    asked.pop("provider")
    for view in (made.json(), found.json(), listed.json()["data"][0]):
        assert {name: view[name] for name in asked} == asked
    assert receipt.json()["metadata"] == story.json()["metadata"] == ORDER


@pytest.mark.stack
async def test_what_was_left_open_is_shown_as_it_is_made(world: World) -> None:
    _, headers = await world.store()

    view = await get_view(world, headers, await create(world, headers, {"kind": "image", "prompt": "a cat"}))

    assert (view["n"], view["seed"], view["format"], view["metadata"], view["inputs"]) == (1, 0, "png", {}, [])
    assert (view["audio_format"], view["language"]) == (None, None)


@pytest.mark.stack
async def test_inputs_come_back_by_their_keys_and_urls(world: World) -> None:
    _, headers = await world.store()
    given = [
        {"role": "person", "url": "https://cdn.shop-pictures.net/me.png"},
        {"role": "garment", "url": "https://cdn.shop-pictures.net/coat.png"},
    ]

    view = await get_view(world, headers, await create(world, headers, {"kind": "try_on", "inputs": given}))

    assert view["inputs"] == [ref | {"key": None} for ref in given]


@pytest.mark.stack
async def test_metadata_travels_with_the_request_and_comes_back_in_events_and_webhooks(world: World) -> None:
    _, headers = await world.store()
    body = IMAGE | {"metadata": ORDER, "webhook_url": "http://127.0.0.1:9/hooks"}

    generation = await create(world, headers, body)
    request = world.neighbours.heard[-1].message
    await world.neighbours.say(GenerationCancelled(generation_id=generation, refunded=1))
    await wait_until_projected(world, generation, "cancelled")
    events = (await world.client.get(f"/v1/generations/{generation}/events", headers=headers)).text
    payload = await world.pool.fetchval("SELECT payload::text FROM webhook_deliveries")

    assert isinstance(request, GenerationRequested) and request.metadata == ORDER
    assert events.count('"order":"4711"') == events.count("data: ") == 2
    assert '"order": "4711"' in payload.replace('":"', '": "')


@pytest.mark.stack
async def test_a_view_says_when_it_began_and_ended(world: World) -> None:
    _, headers = await world.store()
    generation = await create(world, headers)
    waiting = await get_view(world, headers, generation)

    await world.neighbours.say(RenderStarted(generation_id=generation, attempt=1))
    await wait_until_projected(world, generation, "rendering")
    begun = await get_view(world, headers, generation)
    await world.neighbours.say(success(generation))
    await wait_until_projected(world, generation, "succeeded")
    ended = await get_view(world, headers, generation)

    assert (waiting["started_at"], waiting["ended_at"], begun["ended_at"]) == (None, None, None)
    assert begun["started_at"] == ended["started_at"] is not None
    assert ended["created_at"] < ended["started_at"] < ended["ended_at"]


@pytest.mark.stack
@pytest.mark.parametrize("path", ["/v1/generations", "/v1/quotes"])
async def test_a_model_that_nobody_has_is_400_naming_those_there_are_whatever_the_balance(
    world: World, path: str
) -> None:
    _, headers = await world.store()
    world.neighbours.answer = decline
    async with surfaces_where(world, LOCAL, OPENAI) as client:
        refused = await client.post(path, headers=headers, json=IMAGE | {"model": "flux"})

    told = refused.json()
    assert (refused.status_code, told["errors"][0]["field"]) == (400, "model"), refused.text
    assert told["detail"].startswith("model: there is no model flux; one of dall-e-3, gpt-image-2, ")
    assert not world.neighbours.heard


@pytest.mark.stack
async def test_a_kind_without_named_models_takes_none_and_one_that_a_worker_lists_is_taken(world: World) -> None:
    _, headers = await world.store()
    worker = {"name": "team", "remote": True, "offers": [row("image", models=["flux"])]}
    inputs = [{"role": role, "url": "https://cdn.shop-pictures.net/a.png"} for role in ("person", "garment")]
    async with surfaces_where(world, LOCAL, worker) as client:
        taken = await client.post(
            "/v1/generations", headers=headers, json={"kind": "image", "prompt": "a", "model": "flux"}
        )
        refused = await client.post(
            "/v1/generations", headers=headers, json={"kind": "try_on", "inputs": inputs, "model": "dall-e-3"}
        )

    assert taken.status_code == 201, taken.text
    assert refused.status_code == 400 and "there is no model dall-e-3" in refused.json()["detail"]


@pytest.mark.stack
async def test_a_create_tells_where_it_is_to_be_found(world: World) -> None:
    _, headers = await world.store()

    first, again = [
        await world.client.post("/v1/generations", headers=headers | {"Idempotency-Key": "k"}, json=IMAGE)
        for _ in range(2)
    ]

    assert first.status_code == again.status_code == 201
    assert first.headers["Location"] == again.headers["Location"] == first.json()["links"]["self"]


@pytest.mark.stack
async def test_a_missing_input_names_its_field(world: World) -> None:
    _, headers = await world.store()

    refused = await world.client.post("/v1/generations", headers=headers, json={"kind": "try_on"})

    assert refused.json()["errors"] == [{"field": "inputs", "message": "a try_on needs 1 of role person."}]


CHOICES: dict[str, Any] = {
    "kind": "image",
    "prompt": "a red bicycle",
    "providers": ["local", "openai"],
    "exclude_providers": ["google"],
    "start_within_s": 20,
    "retry": "never",
    "store": 24,
}


@pytest.mark.stack
async def test_who_makes_it_when_it_starts_and_how_long_it_is_kept_go_along_and_come_back(world: World) -> None:
    _, headers = await world.store()

    id_ = await create(world, headers, CHOICES)

    [heard] = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    spec, view = heard.spec, await get_view(world, headers, id_)
    assert (spec.providers, spec.excluded_providers, spec.retry) == (("local", "openai"), ("google",), False)
    assert (spec.keep_s, heard.start_within_s) == (24 * 3_600, 20)
    assert {name: view[name] for name in CHOICES if name != "kind"} | {"kind": "image"} == CHOICES


@pytest.mark.stack
async def test_what_is_not_asked_for_is_no_part_of_the_message_and_null_in_the_view(world: World) -> None:
    _, headers = await world.store()

    id_ = await create(world, headers, IMAGE)

    [heard] = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    sent, view = heard.model_dump(mode="json"), await get_view(world, headers, id_)
    assert not {"start_within_s"} & set(sent)
    assert not {"providers", "excluded_providers", "retry", "keep_s"} & set(sent["spec"])
    names = ("providers", "exclude_providers", "start_within_s", "retry", "store")
    assert [view[name] for name in names] == [None] * 5


@pytest.mark.stack
@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({"store": "none"}, "body", "charge on_delivery only"),
        ({"store": 0}, "store", "none, or hours from 1 to 8760"),
        ({"store": "forever"}, "store", "none, or hours from 1 to 8760"),
        ({"start_within_s": 60, "deadline_s": 60}, "start_within_s", "less than deadline_s"),
        ({"provider": "local", "providers": ["local"]}, "body", "exclude each other"),
        ({"provider": "local", "exclude_providers": ["local"]}, "exclude_providers", "asked for and excluded"),
        ({"providers": ["nobody"]}, "providers", "there is no provider nobody"),
        ({"exclude_providers": ["local", "openai"]}, "exclude_providers", "no other provider here makes image"),
        ({"retry": "twice"}, "retry", "never"),
    ],
)
async def test_a_choice_that_cannot_be_kept_is_refused_by_name(
    world: World, wrong: dict[str, Any], field: str, why: str
) -> None:
    _, headers = await world.store()
    body = {"kind": "image", "prompt": "a cat"} | wrong

    async with surfaces_where(world, LOCAL, OPENAI) as client:
        refused = await client.post("/v1/generations", headers=headers, json=body)

    errors = refused.json()["errors"]
    assert (refused.status_code, field in (errors[0]["field"], "body"), why in str(errors)) == (400, True, True), errors


@pytest.mark.stack
@pytest.mark.parametrize(
    ("wrong", "field", "there_are"),
    [
        ({"size": "777x777"}, "size", ["256x256", "1792x1024"]),
        ({"quality": "hd", "size": "256x256"}, "size", ["1024x1024"]),
        ({"quality": "superb"}, "quality", ["low", "standard", "hd"]),
    ],
)
async def test_what_has_no_price_names_what_has_one(
    world: World, wrong: dict[str, str], field: str, there_are: list[str]
) -> None:
    _, headers = await world.store()

    refused = await world.client.post("/v1/quotes", headers=headers, json={"kind": "image", "prompt": "a"} | wrong)

    told = refused.json()
    assert (refused.status_code, told["code"], told["errors"][0]["field"]) == (422, "unpriced", field)
    assert all(word in told["detail"] for word in there_are)
