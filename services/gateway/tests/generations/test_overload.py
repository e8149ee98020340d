"""Overload by one owner harms that one alone: who has no credits has nothing decoded, and requests are limited."""

import base64

import pytest

from atelier_gateway.rate_limits.postgres_windows import PostgresWindows

from ..support.native import IMAGE
from ..support.onmodel import CREATE as ON_MODEL
from ..support.onmodel import body as on_model_body
from ..support.world import World

pytestmark = pytest.mark.stack
NO_PICTURE = base64.b64encode(b"these bytes are no picture, whoever decodes them says so").decode()
PER_MINUTE = 600


async def test_an_owner_without_credits_has_no_picture_decoded_on_any_surface(world: World) -> None:
    """The answer is about the credits and not about the picture, which has not been looked at."""
    _, store = await world.store()
    _, user = await world.user()
    world.neighbours.balance = 0
    picture = f"data:image/png;base64,{NO_PICTURE}"
    edit = {"kind": "image", "prompt": "a hat", "inputs": [{"role": "image", "data": picture}]}
    form = {"image": ("a.png", base64.b64decode(NO_PICTURE), "image/png")}

    native = await world.client.post("/v1/generations", headers=store, json=edit)
    photos = await world.client.post(ON_MODEL, headers=user, json=on_model_body(picture))
    openai = await world.client.post("/v1/images/edits", headers=store, data={"prompt": "x"}, files=form)

    assert (native.status_code, native.json()["code"], native.json()["available"]) == (402, "insufficient_credits", 0)
    assert (photos.status_code, photos.json()["success"]) == (402, False)
    assert (openai.status_code, openai.json()["error"]["code"]) == (429, "insufficient_quota")
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0
    assert (await world.rows())["generations"] == 0


async def test_with_credits_the_same_pictures_are_looked_at_and_refused(world: World) -> None:
    _, store = await world.store()
    edit = {
        "kind": "image",
        "prompt": "x",
        "inputs": [{"role": "image", "data": f"data:image/png;base64,{NO_PICTURE}"}],
    }

    assert (await world.client.post("/v1/generations", headers=store, json=edit)).status_code == 400


async def test_the_native_surface_limits_the_requests_of_one_owner_and_tells_how_many_are_left(world: World) -> None:
    id_, store = await world.store()
    _, other = await world.store()

    first = await world.client.post("/v1/quotes", headers=store, json=IMAGE)
    windows = PostgresWindows(world.pool)
    for _ in range(PER_MINUTE - 1):
        await windows.take(f"native-owner:60:store:{id_}", PER_MINUTE, 60)
    refused = await world.client.post("/v1/generations", headers=store, json=IMAGE)

    assert f'"native-owner";r={PER_MINUTE - 1}' in first.headers["RateLimit"]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await world.client.post("/v1/generations", headers=other, json=IMAGE)).status_code == 201
    assert (await world.client.get("/v1/generations", headers=store)).status_code == 200
