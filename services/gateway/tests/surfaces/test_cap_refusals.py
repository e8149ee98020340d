"""A refusal by a cap on each surface that creates: in the surface's own shape, with the cap named, and nothing left."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from atelier_gateway import surfaces
from atelier_gateway.surfaces.onmodel.requests import EXAMPLE as FLAT_LAY

from ..support import mcp
from ..support.caps import refuse_by_cap
from ..support.form import FORM
from ..support.native import IMAGE
from ..support.onmodel import body as photos
from ..support.stories import GENERATIONS, create_story
from ..support.workspace import team_of
from ..support.world import TRY_ON, Headers, World

pytestmark = pytest.mark.stack
TRPC = {"imageUrls": ["https://cdn.shop-pictures.net/me.png", "https://cdn.shop-pictures.net/coat.png"]}
PROMPT = {"prompt": "a cat"}


class Text(str):
    """Equal to every text that matches this pattern as a whole."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self, other) is not None

    __hash__ = str.__hash__


ID = Text("[0-9a-f-]{36}")
SENTENCE = Text(
    "1 credit required; the cap of (this user|the key [0-9a-f-]{36}|the user [0-9a-f-]{36}) is 7 credits a day, "
    r"of which 3 held and 4 captured; it renews at 2026-01-02T00:00:00Z\."
)


def cap_on(kind: str, spender: str) -> dict[str, Any]:
    """The cap as a surface shows it in full."""
    times = {"since": "2026-01-01T00:00:00Z", "renews_at": "2026-01-02T00:00:00Z"}
    whose = {"id": ID, "owner": {"kind": kind, "id": ID}, "spender": {"kind": spender, "id": ID}, "period": "day"}
    return {"required": 1, "cap": whose | {"credits": 7, "held": 3, "captured": 4, "remaining": 0} | times}


async def of_store(world: World) -> Headers:
    return (await world.store())[1]


async def of_user(world: World) -> Headers:
    return (await world.user())[1]


async def of_team(world: World) -> Headers:
    return (await team_of(world)).headers


@dataclass(frozen=True)
class Refused:
    """A create, the status of its refusal, and all of the body."""

    who: Callable[[World], Awaitable[Headers]]
    path: str
    body: Any
    status: int
    answer: Any


PROBLEM = {
    "type": Text(r"https://.*/problems/cap_exceeded"),
    "title": "A cap leaves too little room",
    "status": 402,
    "detail": SENTENCE,
    "code": "cap_exceeded",
}
IN_TRPC = {
    "error": {"message": SENTENCE, "code": -32002, "data": {"code": "PAYMENT_REQUIRED", "httpStatus": 402}},
}
OF_IMAGES = {
    "success": False,
    "error": {"code": "CAP_EXCEEDED", "message": SENTENCE, "details": cap_on("workspace", "user")},
}
OF_PHOTOS = {"success": False, "message": SENTENCE, "error_code": "CAP_EXCEEDED"}
CASES = {
    "native": Refused(of_store, "/v1/generations", IMAGE, 402, PROBLEM | cap_on("store", "key")),
    "b2b": Refused(
        of_store,
        "/api/v1/generation/create",
        TRY_ON,
        402,
        {"data": None, "error": {"code": "CAP_EXCEEDED", "message": SENTENCE, "details": cap_on("store", "key")}},
    ),
    "trpc": Refused(of_user, "/api/trpc/tryOn.create", TRPC, 402, IN_TRPC),
    "trpc, in a batch": Refused(of_user, "/api/trpc/tryOn.create?batch=1", {"0": TRPC}, 402, [IN_TRPC]),
    "form": Refused(
        of_user,
        "/api/generate",
        FORM,
        400,
        {
            "success": False,
            "error": SENTENCE,
            "code": "CAP_EXCEEDED",
            "timestamp": Text(".+Z"),
            "requestId": ID,
        },
    ),
    "images": Refused(of_team, "/api/ai/images", PROMPT, 402, OF_IMAGES),
    "images, in a batch": Refused(of_team, "/api/ai/images/batches", {"requests": [PROMPT, PROMPT]}, 402, OF_IMAGES),
    "openai": Refused(
        of_store,
        "/v1/images/generations",
        PROMPT,
        429,
        {
            "error": {
                "message": SENTENCE,
                "type": "insufficient_quota",
                "code": "billing_hard_limit_reached",
                "param": None,
            }
        },
    ),
    "onmodel": Refused(of_user, "/v1/generate?onmodel", photos(), 402, OF_PHOTOS),
    "onmodel, flat-lay": Refused(of_user, "/v1/generate?flatlay", FLAT_LAY, 402, OF_PHOTOS),
    "stories": Refused(
        of_user,
        GENERATIONS,
        {},
        402,
        {"error": "Spending cap reached", "details": [cap_on("user", "user")]},
    ),
}


async def send(world: World, case: Refused) -> httpx.Response:
    headers, body = await case.who(world), case.body
    if case.path == GENERATIONS:
        body = {"story_id": await create_story(world, headers)}
    world.neighbours.answer = refuse_by_cap
    return await world.client.post(case.path, headers=headers, json=body)


@pytest.mark.parametrize("name", CASES)
async def test_each_surface_says_in_its_own_shape_which_cap_refused_and_nothing_is_left(
    world: World, name: str
) -> None:
    case = CASES[name]

    refused = await send(world, case)

    assert (refused.status_code, refused.json()) == (case.status, case.answer)
    assert (refused.headers.get("x-should-retry") == "false") is (name == "openai")
    assert "retry-after" not in refused.headers
    assert (await world.rows())["generations"] == 0


async def test_an_agent_is_told_the_same_by_its_tool(world: World) -> None:
    world.neighbours.answer = refuse_by_cap
    order = mcp.IMAGE | {"max_credits": mcp.PRICE, "idempotency_key": "capped"}

    async with mcp.agent(world, await of_store(world)) as client:
        refused = await client.call_tool("create_generation", order)

    assert mcp.error_code(refused) == "cap_exceeded"
    code, _, sentence = str(getattr(refused.content[0], "text", "")).partition(": ")
    assert (code, sentence) == ("cap_exceeded", SENTENCE)


def test_every_surface_that_creates_has_its_case() -> None:
    packages = {Path(str(surface.__file__)).parent for surface in surfaces.PUBLIC}
    creating = {package.name for package in packages if (package / "create.py").exists()}

    assert {name.partition(",")[0] for name in CASES} == creating
