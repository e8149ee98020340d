"""Answers name the cause: every way a generation can end without a result, on every surface that waited for it."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import httpx
import pytest

from atelier_contracts import GenerationCancelled, GenerationFailed, GenerationRequested, Message
from atelier_contracts.render import FailureCode
from atelier_gateway.generations.failure_problems import FAILURE_RULES

from ..support.neighbours import admit
from ..support.onmodel import body, picture
from ..support.workspace import team_of
from ..support.world import World

pytestmark = pytest.mark.stack
PROMPT = {"prompt": "a red bicycle"}
REASON = "it says why"
SURFACES = ("generations", "edits", "variations", "003", "onmodel", "flatlay")


class Told(NamedTuple):
    """How the four shapes word one ending: status, 003's code, OpenAI's code, and whether its client may repeat it."""

    status: int
    seed_003: str
    openai: str
    again: bool


BROKEN = Told(503, "PROVIDER_UNAVAILABLE", "provider_failed", True)
TOLD: Mapping[str, Told] = {
    "refused": Told(400, "CONTENT_REFUSED", "content_policy_violation", False),
    "invalid_input": Told(400, "INVALID_INPUT", "invalid_input", False),
    "provider_failed": BROKEN,
    "provider_timeout": BROKEN,
    "provider_unavailable": BROKEN,
    "unknown_outcome": BROKEN,
    "a_code_of_tomorrow": BROKEN,
    "deadline_passed": Told(503, "PROVIDER_UNAVAILABLE", "deadline_passed", False),
    "cancelled": Told(409, "CANCELLED", "cancelled", False),
}


def end_of(request: GenerationRequested, code: str) -> Message:
    id_ = request.generation_id
    if code == "cancelled":
        return GenerationCancelled(generation_id=id_, refunded=1)
    outcome = "expired" if code == "deadline_passed" else "failed"
    return GenerationFailed.model_validate(
        {"generation_id": id_, "outcome": outcome, "code": code, "reason": REASON, "refunded": 1}
    )


async def ask(world: World, surface: str) -> httpx.Response:
    """One create that waits."""
    post, files = world.client.post, {"image": ("a.png", picture(), "image/png")}
    if surface == "003":
        return await (await team_of(world)).ask()
    _, user = await world.user()
    match surface:
        case "generations":
            return await post("/v1/images/generations", headers=user, json=PROMPT)
        case "edits":
            return await post("/v1/images/edits", headers=user, data=PROMPT, files=files)
        case "variations":
            return await post("/v1/images/variations", headers=user, files=files)
        case "onmodel":
            return await post("/v1/generate?onmodel", headers=user, json=body())
        case _:
            flat = {name: value for name, value in body().items() if name != "modelId"}
            return await post("/v1/generate?flatlay", headers=user, json=flat)


def answer_with(world: World, code: str) -> None:
    """From now on every generation ends like that."""
    saying: list[asyncio.Task[None]] = []

    def answer(request: GenerationRequested) -> Message:
        saying.append(asyncio.create_task(world.neighbours.say(end_of(request, code))))
        return admit(request)

    world.neighbours.answer = answer


async def create_and_wait(world: World, surface: str, code: str) -> httpx.Response:
    """One create that waits, and ends like that."""
    answer_with(world, code)
    return await ask(world, surface)


def test_every_code_that_render_can_say_has_its_row() -> None:
    assert set(get_args(FailureCode)) <= set(FAILURE_RULES)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("code", TOLD)
async def test_an_ending_says_whose_fault_it_was_and_whether_to_try_again(
    world: World, surface: str, code: str
) -> None:
    reply, told = await create_and_wait(world, surface, code), TOLD[code]

    assert reply.status_code == told.status
    assert ("Retry-After" in reply.headers) is told.again
    error: dict[str, Any] = reply.json().get("error", reply.json())
    assert error["message"].endswith("Nothing is charged.")
    if surface == "003":
        assert error["code"] == told.seed_003
        assert error["details"]["status_url"].endswith(error["details"]["id"])
    elif surface in ("onmodel", "flatlay"):
        mapped = FAILURE_RULES[code].problem if code in FAILURE_RULES else "provider_failed"
        assert error["error_code"] == mapped.upper()
    else:
        assert error["code"] == told.openai
        assert (reply.headers.get("x-should-retry") != "false") is told.again


@pytest.mark.parametrize(
    ("surface", "code", "param"),
    [
        ("generations", "refused", "prompt"),
        ("edits", "refused", "prompt"),
        ("variations", "refused", "image"),
        ("generations", "invalid_input", "prompt"),
        ("edits", "invalid_input", "image"),
        ("variations", "invalid_input", "image"),
    ],
)
async def test_a_refusal_of_the_request_names_what_has_to_change(
    world: World, surface: str, code: str, param: str
) -> None:
    error = (await create_and_wait(world, surface, code)).json()["error"]

    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"] == "It says why. Nothing is charged."


@pytest.mark.parametrize("code", [code for code in TOLD if code not in ("cancelled", "deadline_passed")])
async def test_the_native_surface_shows_the_record_with_whose_fault_it_was(world: World, code: str) -> None:
    """The native surface answers with a resource, which exists whatever its state."""
    _, user = await world.user()
    answer_with(world, code)

    reply = await world.client.post(
        "/v1/generations", headers=user | {"Prefer": "wait=5"}, json=PROMPT | {"kind": "image", "size": "256x256"}
    )

    assert (reply.status_code, reply.json()["status"], reply.json()["error"]["code"]) == (200, "failed", code)
    assert reply.json()["credits"]["captured"] == 0
