"""Providers as the surfaces see them: set up, missing, standing in, unable (settled question 5)."""

from typing import Any

import httpx
import pytest

from atelier_contracts import GenerationRequested
from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_gateway.surfaces.onmodel.requests import EXAMPLE as FLAT_LAY

from ..support.form import FORM
from ..support.form import PATH as FORM_PATH
from ..support.provider_offers import LOCAL, OPENAI, offers_of, row, surfaces_where
from ..support.workspace import ASYNC, PATH, PROMPT, Team, team_of
from ..support.world import World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat"}


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


def last_request(world: World) -> GenerationRequested:
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    return message


async def test_locally_a_provider_without_an_account_is_stood_in_for_and_the_reply_says_so(team: Team) -> None:
    """Settled question 5, on both surfaces that name providers, and at start-up."""
    async with surfaces_where(team.world, LOCAL) as client:
        seed = await client.post(PATH, headers=team.headers | ASYNC, json=PROMPT | {"provider": "google"})
        native = await client.post("/v1/generations", headers=team.headers, json=IMAGE | {"model": "dall-e-3"})

    assert (seed.json()["data"]["provider"], seed.json()["data"]["asked_provider"]) == ("local", "google")
    assert (native.status_code, native.json()["provider"]) == (201, "local")
    assert last_request(team.world).spec.provider == "local"


async def test_with_production_settings_a_missing_provider_is_503_and_leaves_nothing(team: Team) -> None:
    """Settled question 5; in each surface's own words."""
    openai = {"prompt": "a cat", "model": "gpt-image-2"}
    async with surfaces_where(team.world, LOCAL, production=True) as client:
        seed = await client.post(PATH, headers=team.headers, json=PROMPT)
        native = await client.post("/v1/generations", headers=team.headers, json=IMAGE | {"provider": "google"})
        shaped = await client.post("/v1/images/generations", headers=team.headers, json=openai)

    assert (seed.status_code, seed.json()["error"]["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert (native.status_code, native.json()["code"]) == (503, "provider_unavailable")
    assert (shaped.status_code, shaped.json()["error"]["code"]) == (503, "provider_unavailable")
    assert set((await team.world.rows()).values()) == {0}


async def test_a_provider_that_is_set_up_is_used(team: Team) -> None:
    async with surfaces_where(team.world, OPENAI, LOCAL) as client:
        reply = await client.post("/v1/generations", headers=team.headers, json=IMAGE | {"model": "gpt-image-2"})

    assert (reply.status_code, reply.json()["provider"]) == (201, "openai")
    assert (last_request(team.world).spec.provider, last_request(team.world).spec.model) == ("openai", "gpt-image-2")


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "told"),
    [
        (PATH, PROMPT | {"n": 2, "model": "dall-e-3"}, 400, "VALIDATION_ERROR", "n: at most 1"),
        (PATH, PROMPT | {"model": "dall-e-3", "size": "1792x1024"}, 400, "INVALID_SIZE", "one of 1024x1024"),
        (PATH, PROMPT | {"model": "dall-e-3", "image": "https://a.net/a.png"}, 400, "VALIDATION_ERROR", "image: edit"),
        ("/v1/generations", IMAGE | {"provider": "acme"}, 400, "invalid_request", "openai, local"),
        ("/v1/generations", IMAGE | {"model": "dall-e-3", "n": 2}, 400, "invalid_request", "n: at most 1"),
        ("/v1/generations", {"kind": "narration", "prompt": "hi"}, 503, "provider_unavailable", "narration"),
        ("/v1/images/generations", {"prompt": "a cat", "model": "gpt-image-1"}, 404, "model_not_found", "gpt-image-2"),
    ],
)
async def test_what_nobody_makes_is_refused_naming_the_field_and_what_is_offered(
    team: Team, path: str, body: dict[str, Any], status: int, code: str, told: str
) -> None:
    async with surfaces_where(team.world, OPENAI, LOCAL) as client:
        reply = await client.post(path, headers=team.headers, json=body)

    refusal = reply.json().get("error", reply.json())
    assert (reply.status_code, refusal["code"]) == (status, code)
    assert told in refusal.get("message", refusal.get("detail", ""))
    assert set((await team.world.rows()).values()) == {0}


async def test_the_form_and_the_photos_say_it_in_their_own_words(world: World) -> None:
    """002 MODEL_ERROR, 004 INVALID_REQUEST; photos that were stored for it are gone."""
    _, headers = await world.user()
    small = {"name": "local", "remote": False, "offers": [row("product_shot", sizes=["1x1"]), row("on_model")]}
    small["offers"].append(row("flat_lay", formats=["webp"]))  # type: ignore[attr-defined]
    async with surfaces_where(world, small) as client:
        form = await client.post(FORM_PATH, headers=headers, json=FORM)
        photos = await client.post("/v1/generate?flatlay", headers=headers, json=FLAT_LAY)

    assert (form.status_code, form.json()["code"]) == (400, "MODEL_ERROR")
    assert (photos.status_code, photos.json()["error_code"]) == (400, "INVALID_REQUEST")
    assert "options.format: png" in photos.json()["message"]
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_the_default_model_is_one_that_the_provider_has(team: Team) -> None:
    retired = OPENAI | {"offers": [row("image", models=["gpt-image-2"], sizes=["1024x1024", "1536x1024"])]}
    async with surfaces_where(team.world, retired) as client:
        reply = await client.post(PATH, headers=team.headers | ASYNC, json=PROMPT | {"size": "1536x1024"})

    assert (reply.status_code, reply.json()["data"]["model"]) == (202, "gpt-image-2")


async def test_openais_list_has_the_models_that_can_be_asked_for_here(world: World) -> None:
    _, headers = await world.store()

    async def list_models(client: httpx.AsyncClient) -> set[str]:
        found = (await client.get("/v1/models", headers=headers)).json()["data"]
        return {model["id"] for model in found}

    async with surfaces_where(world, OPENAI, LOCAL, production=True) as client:
        assert await list_models(client) == {"dall-e-3", "gpt-image-2"}
        assert (await client.get("/v1/models/imagen", headers=headers)).status_code == 404
    async with surfaces_where(world, LOCAL) as client:
        assert {"dall-e-3", "imagen"} <= await list_models(client)


async def test_what_render_said_last_stands_while_it_does_not_answer() -> None:
    offers = await offers_of([LOCAL], stands_in=True)

    await offers.refresh()

    assert offers.is_known and offers.missing == HOSTED_PROVIDERS


async def test_clients_are_told_what_can_be_asked(world: World) -> None:
    _, headers = await world.user()
    async with surfaces_where(world, OPENAI, LOCAL) as client:
        told = await client.get("/v1/capabilities", headers=headers)
    unknown = await world.client.get("/v1/capabilities", headers=headers)

    assert [provider["name"] for provider in told.json()["providers"]] == ["openai", "local"]
    assert told.json()["missing"] == [name for name in HOSTED_PROVIDERS if name != "openai"]
    assert told.json()["stand_in"] == "local"
    assert unknown.status_code == 503
