"""The generation form on the whole system: from a form to the picture, and what the books say of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from whole_system.waits import eventually
from whole_system.world import World

PATH = "/api/generate"
SUCCEED, FAIL = {"X-Atelier-Simulate": "outcome=succeed"}, {"X-Atelier-Simulate": "outcome=fail"}
FORM = {
    "productImages": ["https://res.cloudinary.com/demo/image/upload/coat.jpg"],
    "style": "minimal",
    "aspectRatio": "2:3",
    "quality": "ultra",
    "model": "gpt-4.1-dalle-3",
}


@dataclass
class Visitor:
    """A user with three credits."""

    id: str
    http: httpx.AsyncClient

    async def wait_until_ended(self, id_: str) -> dict[str, object]:
        """The generation once it has ended."""

        async def look() -> dict[str, object] | None:
            data: dict[str, object] = (await self.http.get(f"{PATH}/{id_}")).json()["data"]
            return data if data["status"] in ("completed", "failed") else None

        return await eventually(look)


@pytest.fixture
async def visitor(world: World) -> AsyncIterator[Visitor]:
    user = await world.admin.create_user(f"{uuid4().hex}@example.com")
    await world.admin.grant("user", user, 3, reason="test")
    headers = {"Authorization": f"Bearer {await world.admin.issue_token(user)}"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, trust_env=False) as http:
        yield Visitor(user, http)


async def test_a_form_ends_as_a_picture_that_can_be_fetched(world: World, visitor: Visitor) -> None:
    """002.2 002.8 002.10 201, then the picture, its row, and two credits less."""
    made = (await visitor.http.post(PATH, headers=SUCCEED, json=FORM)).json()["data"]
    assert (made["status"], made["estimatedCost"]) == ("pending", 2)

    shown = await visitor.wait_until_ended(made["_id"])

    assert (shown["status"], shown["tokensUsed"]) == ("completed", 2)
    async with httpx.AsyncClient(trust_env=False) as outside:
        picture = await outside.get(str(shown["resultImageUrl"]))
    row = await world.databases["gateway"].fetchrow(
        "SELECT size_bytes, content_type FROM files WHERE generation_id = $1 AND category = 'result'", made["_id"]
    )
    assert row is not None
    assert (picture.status_code, len(picture.content)) == (200, row["size_bytes"])
    assert picture.headers["content-type"] == row["content_type"]
    assert (await world.admin.balance("user", visitor.id)).available == 1


async def test_what_fails_is_given_back(world: World, visitor: Visitor) -> None:
    """002.10 Failed, with a reason, and nothing charged."""
    made = (await visitor.http.post(PATH, headers=FAIL, json=FORM)).json()["data"]

    shown = await visitor.wait_until_ended(made["_id"])

    assert shown["status"] == "failed" and shown["error"] and shown["tokensUsed"] == 0
    assert (await world.admin.balance("user", visitor.id)).available == 3


async def test_too_few_tokens_leave_nothing_anywhere(world: World, visitor: Visitor) -> None:
    """002.3 The shortfall, as billing knows it."""
    made = (await visitor.http.post(PATH, headers=SUCCEED, json=FORM)).json()["data"]
    await visitor.wait_until_ended(made["_id"])
    before = await world.rows()

    refused = await visitor.http.post(PATH, headers=SUCCEED, json=FORM)

    assert (refused.status_code, refused.json()["code"]) == (400, "INSUFFICIENT_TOKENS")
    assert refused.json()["error"] == "Insufficient tokens. Required: 2, Available: 1"
    after = await world.rows()
    assert {name: after[name] for name in before if name.split(".")[0] != "session"} == {
        name: before[name] for name in before if name.split(".")[0] != "session"
    }
