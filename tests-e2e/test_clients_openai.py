"""The stock Python ``openai`` client against the running system: it works by changing its base URL."""

import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import httpx
import openai
import PIL.Image
import pytest
from openai import AsyncOpenAI

from atelier_local.demo import photos as demo_photos
from atelier_provider_simulator.control import Control
from whole_system.world import World

SUCCEED = {"X-Atelier-Simulate": "outcome=succeed"}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Shop:
    """A store with credits, and the client that acts for it."""

    id: str
    client: AsyncOpenAI


MakeShop = Callable[[int], Awaitable[Shop]]


def client_of(world: World, api_key: str) -> AsyncOpenAI:
    """The client as it comes, but for the address; no second tries, so that a refusal is seen as it is."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    return AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=api_key, max_retries=0, http_client=http, default_headers=SUCCEED
    )


def picture_of(made: openai.types.Image) -> PIL.Image.Image:
    """The picture that came in the answer."""
    return PIL.Image.open(io.BytesIO(base64.b64decode(made.b64_json or "")))


@pytest.fixture
async def shop(world: World) -> AsyncIterator[MakeShop]:
    """Makes a store with that many credits."""
    clients: list[AsyncOpenAI] = []

    async def make(credits: int) -> Shop:
        made = await world.admin.create_store("Test boutique")
        if credits:
            await world.admin.grant("store", made.id, credits, reason="test")
        clients.append(client_of(world, made.api_key))
        return Shop(made.id, clients[-1])

    yield make
    for client in clients:
        await client.close()


async def test_generate_answers_urls_that_lead_to_pictures(world: World, shop: MakeShop) -> None:
    mine = await shop(20)

    made = await mine.client.images.generate(model="dall-e-3", prompt="a red bicycle", n=2, size="1024x1024")

    assert made.data is not None and len(made.data) == 2
    async with httpx.AsyncClient(trust_env=False) as http:
        pictures = [(await http.get(str(picture.url))).content for picture in made.data]
    assert all(picture.startswith(PNG) for picture in pictures)
    assert made.usage is not None and made.usage.total_tokens == 0
    balance = await world.admin.balance("store", mine.id)
    assert (balance.available, balance.held, balance.captured) == (0, 0, 20)


@pytest.mark.parametrize(("model", "asked"), [("dall-e-2", "b64_json"), ("gpt-image-2.6-flare", None)])
async def test_generate_answers_the_picture_itself_where_the_model_or_the_client_wants_it(
    shop: MakeShop, model: str, asked: str | None
) -> None:
    mine = await shop(10)

    made = await mine.client.images.generate(
        model=model, prompt="a red bicycle", response_format="b64_json" if asked else openai.omit
    )

    assert made.data is not None
    assert base64.b64decode(made.data[0].b64_json or "").startswith(PNG)


async def test_words_edits_and_variations_are_really_drawn(shop: MakeShop) -> None:
    """Without the simulator: in the requested size, and no two of them equal."""
    mine = await shop(40)
    client = mine.client.with_options(set_default_headers={})
    photo = ("me.png", demo_photos.person_photo(), "image/png")

    drawn = await client.images.generate(model="gpt-image-2.6-flare", prompt="a red bicycle", size="1536x1024")
    edited = await client.images.edit(
        model="gpt-image-2.6-flare", image=photo, prompt="by the sea", output_format="webp"
    )
    with pytest.warns(DeprecationWarning):
        varied = await client.images.create_variation(image=photo, n=2, size="256x256", response_format="b64_json")

    pictures = [picture_of(image) for made in (drawn, edited, varied) for image in made.data or []]
    assert [(picture.format, picture.size) for picture in pictures] == [
        ("PNG", (1536, 1024)),
        ("WEBP", (1024, 1024)),
        ("PNG", (256, 256)),
        ("PNG", (256, 256)),
    ]
    assert len({picture.tobytes() for picture in pictures}) == 4


async def test_edit_takes_pictures_and_a_mask(world: World, shop: MakeShop) -> None:
    mine = await shop(10)
    photo, mask = demo_photos.person_photo(), demo_photos.person_photo()

    made = await mine.client.images.edit(
        model="gpt-image-2.6-flare",
        image=[("me.png", photo, "image/png"), ("coat.jpg", demo_photos.garment_photo(), "image/jpeg")],
        mask=("mask.png", mask, "image/png"),
        prompt="with a hat",
        n=1,
        response_format="url",
    )

    assert made.data is not None and str(made.data[0].url).startswith("http")
    request = await world.databases["gateway"].fetchval("SELECT request FROM generations ORDER BY id DESC LIMIT 1")
    assert [given["role"] for given in json.loads(request)["inputs"]] == ["image", "image", "mask"]


async def test_variation_takes_one_picture_and_no_prompt(shop: MakeShop) -> None:
    mine = await shop(6)

    with pytest.warns(DeprecationWarning):
        made = await mine.client.images.create_variation(
            image=("me.png", demo_photos.person_photo(), "image/png"), n=2, size="256x256"
        )

    assert made.data is not None and len(made.data) == 2


async def test_models_are_listed_and_retrieved(shop: MakeShop) -> None:
    mine = await shop(0)

    listed = [model.id async for model in mine.client.models.list()]
    one = await mine.client.models.retrieve("dall-e-3")

    assert {"dall-e-2", "dall-e-3", "gpt-image-2.6-flare", "imagen"} <= set(listed)
    assert (one.id, one.owned_by) == ("dall-e-3", "openai")
    with pytest.raises(openai.NotFoundError) as missing:
        await mine.client.models.retrieve("gpt-99")
    assert missing.value.code == "model_not_found"


async def test_refusals_are_the_exceptions_its_users_expect(world: World, shop: MakeShop) -> None:
    poor, rich = await shop(0), await shop(100)
    images = rich.client.images
    before = await world.rows()

    async with client_of(world, "sk-unknown") as stranger:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await stranger.images.generate(prompt="x", model="dall-e-3")
    with pytest.raises(openai.RateLimitError) as quota:
        await poor.client.images.generate(prompt="x", model="dall-e-3")
    with pytest.raises(openai.BadRequestError) as size:
        await images.generate(prompt="x", model="dall-e-3", size="256x256")
    with pytest.raises(openai.NotFoundError) as model:
        await images.generate(prompt="x", model="dall-e-99")
    with pytest.raises(openai.BadRequestError) as picture:
        await images.edit(image=("me.png", b"this is no picture", "image/png"), prompt="x", model="dall-e-2")

    assert unknown.value.code == "invalid_api_key"
    assert (quota.value.code, quota.value.type) == ("insufficient_quota", "insufficient_quota")
    assert (size.value.param, size.value.type) == ("size", "invalid_request_error")
    assert model.value.code == "model_not_found"
    assert picture.value.param == "image"
    after = await world.rows()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"session.sagas": 1}
    assert (await world.admin.balance("store", rich.id)).available == 100


async def test_a_refused_edit_leaves_no_picture_behind(world: World, shop: MakeShop) -> None:
    poor = await shop(0)
    files = "SELECT count(*) FROM files WHERE owner_id = $1::uuid"

    for image in (demo_photos.person_photo(), b"this is no picture"):
        with pytest.raises(openai.APIStatusError):
            await poor.client.images.edit(
                image=[("a.png", demo_photos.person_photo(), "image/png"), ("b.png", image, "image/png")],
                prompt="x",
                model="dall-e-2",
            )

    assert await world.databases["gateway"].fetchval(files, poor.id) == 0


async def test_a_repeated_edit_is_the_same_one_and_stores_nothing_more(world: World, shop: MakeShop) -> None:
    mine = await shop(20)
    files = "SELECT count(*) FROM files WHERE owner_id = $1::uuid AND category = 'image' AND generation_id IS NULL"

    for _ in range(2):
        made = await mine.client.images.edit(
            image=("a.png", demo_photos.person_photo(), "image/png"),
            prompt="with a hat",
            model="dall-e-2",
            extra_headers={"Idempotency-Key": "edit-1"},
        )
        assert made.data is not None

    assert await world.databases["gateway"].fetchval(files, mine.id) == 1
    assert (await world.admin.balance("store", mine.id)).captured == 10


async def test_a_failed_render_is_a_server_error_and_is_paid_back(world: World, shop: MakeShop) -> None:
    mine = await shop(10)

    with pytest.raises(openai.InternalServerError) as failed:
        await mine.client.images.generate(
            prompt="x", model="dall-e-3", extra_headers={"X-Atelier-Simulate": "outcome=fail"}
        )

    assert (failed.value.status_code, failed.value.code) == (503, "provider_failed")
    assert (await world.admin.balance("store", mine.id)).available == 10


async def test_a_refusal_of_the_request_is_a_bad_request_that_the_client_sends_once(
    world: World, shop: MakeShop
) -> None:
    """Settled question 18; the client's own two retries are on."""
    mine, sent = await shop(10), 0

    async def count(_: httpx.Request) -> None:
        nonlocal sent
        sent += 1

    http = openai.DefaultAsyncHttpxClient(trust_env=False, event_hooks={"request": [count]})
    with pytest.raises(openai.BadRequestError) as refused:
        await mine.client.with_options(max_retries=2, http_client=http).images.generate(
            prompt="an unspeäkable scene", model="dall-e-3", extra_headers={"X-Atelier-Simulate": openai.Omit()}
        )
    await http.aclose()

    assert (refused.value.code, refused.value.param, sent) == ("content_policy_violation", "prompt", 1)
    balance = await world.admin.balance("store", mine.id)
    assert (balance.available, balance.captured) == (10, 0)


async def test_what_a_provider_refuses_is_asked_for_once(
    world: World, shop: MakeShop, provider_simulator: Control
) -> None:
    """Settled question 18, with a provider of one's own in between."""
    mine = await shop(20)
    await provider_simulator.plan("openai", "refused")

    with pytest.raises(openai.BadRequestError) as refused:
        await mine.client.with_options(max_retries=2).images.generate(
            prompt="a lake", model="gpt-image-2", extra_headers={"X-Atelier-Simulate": openai.Omit()}
        )

    assert (refused.value.code, refused.value.param) == ("content_policy_violation", "prompt")
    pictures = [request for request in await provider_simulator.requests() if request.path.startswith("/v1/images/")]
    assert len(pictures) == 1
    assert (await world.admin.balance("store", mine.id)).captured == 0


async def test_a_member_acts_for_their_workspace(world: World) -> None:
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    token = await world.admin.issue_token(user)
    workspace = await world.admin.ask(
        "create a workspace", "POST", "/v1/admin/workspaces", {"name": "Team", "member_ids": [user]}
    )
    await world.admin.grant("workspace", workspace["id"], 3, reason="test")

    async with client_of(world, token) as client:
        made = await client.images.generate(
            prompt="x", model="dall-e-2", size="256x256", extra_headers={"X-Workspace-Id": workspace["id"]}
        )

    assert made.data is not None and f"/workspaces/{workspace['id']}/generated/" in str(made.data[0].url)
    assert (await world.admin.balance("workspace", workspace["id"])).captured == 3
