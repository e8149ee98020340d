"""On-model photos on the whole system: photos in a request, a picture in the answer."""

import base64
import io
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from whole_system.waits import eventually
from whole_system.world import World

SUCCEED = {"X-Atelier-Simulate": "outcome=succeed"}
SLOW = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=1500", "Prefer": "respond-async"}


def body() -> dict[str, object]:
    out = io.BytesIO()
    Image.new("RGB", (64, 96), "teal").save(out, "png")
    image = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    photos = [{"id": str(order), "image": image} for order in range(2)]
    return {"photos": photos, "modelId": "123", "backgroundId": "456", "options": {"quality": "medium"}}


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    user = await world.admin.create_user(f"{uuid4().hex}@example.com")
    await world.admin.grant("user", user, 4, reason="test")
    headers = {"Authorization": f"Bearer {await world.admin.issue_token(user)}"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


async def test_the_answer_is_the_picture(http: httpx.AsyncClient) -> None:
    """004.2 200 within the synchronous wait, with a URL that can be fetched as it is."""
    made = await http.post("/v1/generate?onmodel", headers=SUCCEED, json=body())

    assert (made.status_code, made.json()["status"], made.json()["photo_count"]) == (200, "completed", 2)
    async with httpx.AsyncClient(trust_env=False) as outside:
        picture = await outside.get(made.json()["image_url"])
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"


async def test_a_flat_lay_as_a_job(http: httpx.AsyncClient) -> None:
    """004.2 004.6 202, then polled until it is completed."""
    flat = {name: value for name, value in body().items() if name != "modelId"}

    started = await http.post("/v1/generate?flatlay", headers=SLOW, json=flat)

    async def look() -> str | None:
        told = (await http.get(f"/v1/flatlay/status/{started.json()['job_id']}")).json()
        return told["image_url"] if told["status"] == "completed" else None

    assert started.status_code == 202
    assert (await eventually(look)).startswith("http")


async def test_who_cannot_pay_leaves_no_photo_behind(world: World, http: httpx.AsyncClient) -> None:
    """004.4 402: rows and objects are as they were."""
    for _ in range(2):
        assert (await http.post("/v1/generate?onmodel", headers=SUCCEED, json=body())).status_code == 200
    files = await world.databases["gateway"].fetchval("SELECT count(*) FROM files")

    refused = await http.post("/v1/generate?onmodel", headers=SUCCEED, json=body())

    assert (refused.status_code, refused.json()["error_code"]) == (402, "INSUFFICIENT_CREDITS")
    assert await world.databases["gateway"].fetchval("SELECT count(*) FROM files") == files
