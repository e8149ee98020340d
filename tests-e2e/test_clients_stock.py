"""Stock clients of OpenAI's shape against the running system, with nothing changed but the base URL: each makes, edits,
is refused, has no credits, gives up waiting, tries again and repeats itself; the books say what each of these cost."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from atelier_local.demo import photos as demo_photos
from whole_system import packages
from whole_system.waits import eventually
from whole_system.world import World

MODEL = "gpt-image-2.6-flare"
GRANTED = 50
COST = 10
ENDED = {"succeeded", "failed", "cancelled", "rejected"}
REFUSED = "content_policy_violation"
QUOTA = "insufficient_quota"


@dataclass(frozen=True)
class Client:
    """A client: the program that plays it, and what its user sees of each refusal.

    ``refused``, ``poor``, ``impatient``: the error of a refused prompt, of too few credits, and of a time-out.
    ``poor_tries``, ``impatient_tries``: how many generations it asks for before it raises them, the most there can be.
    """

    run: Callable[[str], str]
    refused: Mapping[str, object]
    poor: Mapping[str, object]
    impatient: Mapping[str, object]
    poor_tries: int = 1
    impatient_tries: int = 1
    options: Mapping[str, str] | None = None


def _node(script: str, order: str) -> str:
    return packages.node(script, order, cwd=packages.node_packages("node"))


def _python(script: str, order: str) -> str:
    return packages.python(packages.python_packages("python"), script, order, cwd=packages.CLIENTS / "python")


def _error_result(name: str, status: int | None = None, code: str | None = None, **more: object) -> dict[str, object]:
    return {"name": name, "status": status, "code": code, **more}


CLIENTS = {
    "openai-python": Client(
        partial(_python, "openai_client.py"),
        refused=_error_result("BadRequestError", 400, REFUSED),
        poor=_error_result("RateLimitError", 429, QUOTA),
        impatient=_error_result("APITimeoutError"),
        impatient_tries=3,
    ),
    "openai-node": Client(
        partial(_node, "openai.mjs"),
        refused=_error_result("BadRequestError", 400, REFUSED, param="prompt"),
        poor=_error_result("RateLimitError", 429, QUOTA),
        impatient=_error_result("APIConnectionTimeoutError"),
        impatient_tries=3,
    ),
    "ai-sdk-openai": Client(
        partial(_node, "ai-sdk.mjs"),
        refused=_error_result("AI_APICallError", 400, REFUSED, param="prompt", tries=1),
        poor=_error_result("AI_RetryError", 429, QUOTA, tries=3),
        poor_tries=3,
        impatient=_error_result("TimeoutError", tries=1),
        options={"provider": "openai"},
    ),
    "ai-sdk-openai-compatible": Client(
        partial(_node, "ai-sdk.mjs"),
        refused=_error_result("AI_APICallError", 400, REFUSED, param="prompt", tries=1),
        poor=_error_result("AI_RetryError", 429, QUOTA, tries=3),
        poor_tries=3,
        impatient=_error_result("TimeoutError", tries=1),
        options={"provider": "compatible"},
    ),
    "litellm": Client(
        partial(_python, "litellm_client.py"),
        refused=_error_result("BadRequestError", 400),
        poor=_error_result("RateLimitError", 429, "429"),
        impatient=_error_result("Timeout", 408),
        impatient_tries=3,
    ),
    "langchain": Client(
        partial(_python, "langchain_client.py"),
        refused=_error_result("BadRequestError", 400, REFUSED),
        poor=_error_result("RateLimitError", 429, QUOTA),
        impatient=_error_result("APITimeoutError"),
        impatient_tries=3,
    ),
}
LACKS = {"langchain": {"edit"}}
"""Calls that a client does not have: the table of clients in ``docs/surfaces/openai.md`` says so."""
ADDS: dict[str, dict[str, dict[str, object]]] = {
    "ai-sdk-openai": {"edit_by_dall_e": {"made": ["PNG"]}},
    "ai-sdk-openai-compatible": {"edit_by_dall_e": {"made": ["PNG"]}},
    "litellm": {
        "edit_refusal": {"raised": _error_result("ContentPolicyViolationError", 400)},
        "edit_time_out": {"raised": _error_result("Timeout", 408)},
    },
}
"""Edits that a client makes by another way than creates, or reads by another way than those of other models."""


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_stock_client_pays_for_what_it_got_and_for_nothing_else(
    world: World, tmp_path: Path, name: str
) -> None:
    client = CLIENTS[name]
    wanted = _results(client) | ADDS.get(name, {})
    wanted = {scenario: result for scenario, result in wanted.items() if scenario not in LACKS.get(name, set())}
    stores = {scenario: await _store(world, 0 if scenario == "no_credits" else GRANTED) for scenario in wanted}
    (tmp_path / "me.png").write_bytes(demo_photos.person_photo())
    order: dict[str, Any] = {"url": world.url, "model": MODEL, "photo": str(tmp_path / "me.png")}
    order |= {"keys": {scenario: key for scenario, (_, key) in stores.items()}} | dict(client.options or {})

    printed = await asyncio.to_thread(client.run, json.dumps(order))

    said = json.loads(printed)
    assert {scenario: _without_nothing(result) for scenario, result in said.items()} == {
        scenario: _without_nothing(result) for scenario, result in wanted.items()
    }
    for scenario, (owner, _) in stores.items():
        states = await _wait_until_ended(world, owner)
        balance = await world.admin.balance("store", owner)
        paid = COST if "made" in wanted[scenario] else 0
        granted = 0 if scenario == "no_credits" else GRANTED
        assert (balance.captured, balance.held, balance.available) == (paid, 0, granted - paid), (scenario, states)
        _check_tries(client, scenario, states)


def _results(client: Client) -> dict[str, dict[str, object]]:
    """What each scenario ends in."""
    return {
        "create": {"made": ["PNG"]},
        "edit": {"made": ["PNG"]},
        "refusal": {"raised": client.refused},
        "no_credits": {"raised": client.poor},
        "time_out": {"raised": client.impatient},
        "retry": {"made": ["PNG"]},
        "key": {"made": ["PNG", "PNG"]},
    }


def _check_tries(client: Client, scenario: str, states: list[str]) -> None:
    """How often the client tried, and the state of each try. Of a try that timed out before a busy machine read it
    there is nothing to see."""
    if scenario.endswith("time_out"):
        assert set(states) <= {"cancelled"} and len(states) <= client.impatient_tries, (scenario, states)
        return
    assert states == {
        "retry": ["failed", "succeeded"],
        "no_credits": ["rejected"] * client.poor_tries,
    }.get(scenario, ["failed"] if "refusal" in scenario else ["succeeded"]), scenario


def _without_nothing(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without the fields of an error that it does not have: one client prints null, another nothing."""
    raised = result.get("raised")
    return {"raised": {k: v for k, v in raised.items() if v is not None}} if raised else dict(result)


async def _store(world: World, credits: int) -> tuple[str, str]:
    """A store's id and its key."""
    made = await world.admin.create_store("Stock boutique")
    if credits:
        await world.admin.grant("store", made.id, credits, reason="test")
    return made.id, made.api_key


async def _wait_until_ended(world: World, owner: str) -> list[str]:
    """The states of the store's generations, sorted, once all of them have ended."""

    async def look() -> list[str] | None:
        rows = await world.databases["session"].fetch("SELECT state FROM sagas WHERE owner_id = $1::uuid", owner)
        states = sorted(row["state"] for row in rows)
        return states if set(states) <= ENDED else None

    return await eventually(look)
