"""Seed 003's "future enhancements", all of them wanted: analysis, reuse, edits and variations, fail-over."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from atelier_contracts import GenerationRequested, GenerationSucceeded, Message

from ...support.provider_offers import LOCAL, OPENAI, surfaces_where
from ...support.workspace import ASYNC, PATH, PROMPT, Team, deliver, team_of
from ...support.world import World

pytestmark = pytest.mark.stack
PICTURE = "https://cdn.shop-pictures.net/image.png"


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


def success_with(**changes: object) -> Callable[[GenerationRequested], Message]:
    """One picture is made, with these changes to its event."""

    def ends(request: GenerationRequested) -> Message:
        succeeded = deliver(1, 10)(request)
        assert isinstance(succeeded, GenerationSucceeded)
        return succeeded.model_copy(update=changes)

    return ends


async def test_a_picture_comes_with_its_analysis(team: Team) -> None:
    """003.7 Image analysis: format, size, dominant colours, tags from the metadata."""

    def ends(request: GenerationRequested) -> Message:
        succeeded = deliver(1, 10)(request)
        assert isinstance(succeeded, GenerationSucceeded)
        seen = {
            "colours": ("#c8321e", "#f4f0e8"),
            "tags": ("image", "bicycle"),
            "thumbnail": succeeded.outputs[0].key.replace(".png", ".thumbnail.webp"),
        }
        return succeeded.model_copy(update={"outputs": (succeeded.outputs[0].model_copy(update=seen),)})

    [image] = (await team.ask_and_hear(ends)).json()["data"]["images"]

    assert (image["format"], image["width"], image["height"], image["size"]) == ("png", 1024, 1024, 3)
    assert (image["colours"], image["tags"]) == (["#c8321e", "#f4f0e8"], ["image", "bicycle"])
    assert ".thumbnail.webp?" in image["thumbnail"]


async def test_who_allows_it_may_get_an_earlier_result(team: Team) -> None:
    """003.7 Cost optimization: an identical earlier result, only where the caller allows it, and the answer says so."""
    reply = await team.ask_and_hear(success_with(reused=True, captured=1), reuse=True)
    fresh = await team.ask(ASYNC)

    assert (reply.json()["data"]["reused"], reply.json()["data"]["credits"]["used"]) == (True, 1)
    asked = [e.message for e in team.world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    assert [request.spec.reuse for request in asked] == [True, False]
    assert fresh.json()["data"]["reused"] is False


async def test_the_reply_says_who_made_it_and_who_was_asked(team: Team) -> None:
    """003.7 Provider fallback: ``provider`` is who really made it."""
    reply = await team.ask_and_hear(success_with(provider="google"), provider="openai")

    data = reply.json()["data"]
    assert (data["provider"], data["asked_provider"]) == ("google", "openai")
    record = (await team.read(data["id"])).json()["data"]["record"]
    assert record["provider"] == "google"


async def test_a_model_that_is_named_is_an_order_and_one_that_is_not_leaves_a_way_out(team: Team) -> None:
    """003.7 Provider fallback: another provider may stand in only where no model was named."""
    async with surfaces_where(team.world, OPENAI, LOCAL) as client:
        for body in (PROMPT | {"model": "dall-e-3"}, PROMPT):
            reply = await client.post(PATH, headers=team.headers | ASYNC, json=body)
            assert (reply.status_code, reply.json()["data"]["provider"]) == (202, "openai")

    asked = [e.message for e in team.world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    assert [(request.spec.provider, request.spec.model) for request in asked] == [
        ("openai", "dall-e-3"),
        ("openai", None),
    ]


async def test_a_picture_without_a_prompt_is_varied(team: Team) -> None:
    """003.7 Image editing: variations need no prompt, edits and pictures from nothing do."""
    varied = await team.ask(ASYNC, prompt=None, image=PICTURE)
    masked = await team.ask(prompt=None, image=PICTURE, mask=PICTURE)

    spec = team.last_request().spec
    assert (varied.status_code, spec.prompt, [ref.role for ref in spec.inputs]) == (202, None, ["image"])
    assert (masked.status_code, masked.json()["error"]["details"]["errors"][0]["field"]) == (400, "prompt")


async def test_an_upload_of_another_workspace_is_not_edited(team: Team) -> None:
    """003.7, settled question 13: another tenant's picture is unknown."""
    reply = await team.ask(image=f"workspaces/{uuid4()}/uploads/{uuid4()}/a.png")

    assert (reply.status_code, reply.json()["error"]["details"]["errors"][0]["field"]) == (400, "image")
