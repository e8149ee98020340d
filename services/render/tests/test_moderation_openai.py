"""OpenAI's moderation endpoint as a moderator, by the real SDK: what it flags is refused, what it does not say is not
known."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import Owner, RequestRender
from atelier_provider_simulator.control import Control
from atelier_render.jobs import Job
from atelier_render.moderation import moderators as rules
from atelier_render.moderation.moderators import (
    UNCHECKED,
    Allowed,
    Content,
    ContentModeration,
    Forbidden,
    ModerationVerdict,
    ModeratorUnavailable,
    WhenAway,
)
from atelier_render.moderation.openai import OpenAIModerator

Ask = Callable[..., RequestRender]
OWNER = Owner(kind="store", id=uuid4())


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def moderator(control: Control) -> AsyncIterator[OpenAIModerator]:
    moderator = OpenAIModerator(control.openai_key, base_url=control.openai_url, timeout_s=5)
    yield moderator
    await moderator.close()


async def moderate_text(moderator: OpenAIModerator, *texts: str) -> ModerationVerdict:
    return await moderator.moderate(Content(uuid4(), OWNER, "image", texts))


async def test_every_text_is_judged_in_one_request(moderator: OpenAIModerator, control: Control) -> None:
    assert await moderate_text(moderator, "one", "two") == Allowed()

    (arrived,) = await control.requests()
    assert (arrived.path, arrived.model, arrived.made) == ("/v1/moderations", "omni-moderation-latest", 2)


async def test_what_is_flagged_is_refused_for_what_it_is(moderator: OpenAIModerator, control: Control) -> None:
    await control.plan("openai", "refused", word="two")

    said = [
        await moderate_text(moderator, "one", "two"),
        await moderate_text(moderator, "one", "of simulated-violence"),
    ]

    assert said == [Forbidden("the text was refused for: violence")] * 2


@pytest.mark.parametrize(
    "plan",
    [
        {"outcome": "rate_limited", "retry_after_s": 1},
        {"outcome": "out_of_quota"},
        {"outcome": "server_error", "status": 503},
        {"outcome": "lost_response"},
        {"outcome": "corrupt"},
        {"outcome": "oversized"},
        {"outcome": "partial", "delivered": 1},
    ],
    ids=lambda plan: plan["outcome"],
)
async def test_no_clear_answer_for_every_text_is_no_verdict(
    moderator: OpenAIModerator, control: Control, plan: dict[str, Any]
) -> None:
    await control.plan("openai", **plan)

    assert isinstance(await moderate_text(moderator, "one", "two"), ModeratorUnavailable)
    assert len(await control.requests()) == 1


async def test_a_late_answer_a_wrong_key_and_nobody_there_are_no_verdict(control: Control) -> None:
    await control.plan("openai", "late_success")

    for key, url, timeout_s in (
        (control.openai_key, control.openai_url, 0.2),
        ("sk-another", control.openai_url, 5),
        (control.openai_key, "http://127.0.0.1:1/v1", 5),
    ):
        moderator = OpenAIModerator(key, base_url=url, timeout_s=timeout_s)
        assert isinstance(await moderate_text(moderator, "one"), ModeratorUnavailable)
        await moderator.close()


@pytest.mark.parametrize(
    ("when_away", "remaining_s", "ends", "asked"),
    [("refuse", 30.0, None, 3), ("refuse", 0.2, ("provider_unavailable", UNCHECKED), 1), ("allow", 30.0, None, 1)],
)
async def test_while_it_is_away_the_operators_policy_holds(
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    moderator: OpenAIModerator,
    control: Control,
    when_away: WhenAway,
    remaining_s: float,
    ends: tuple[str, str] | None,
    asked: int,
) -> None:
    monkeypatch.setattr(rules, "PAUSE_S", 0.01)
    await control.plan("openai", "rate_limited")
    await control.plan("openai", "server_error")
    request = ask(prompt="a red bicycle")
    job = Job(request.generation_id, 1, request.owner, request.spec, "paced", None, remaining_s)

    ends_at = asyncio.get_running_loop().time() + remaining_s
    failure = await ContentModeration([moderator], when_away=when_away).reject_reason(job, (), ends_at)

    assert ((failure.code, failure.reason) if failure else None) == ends
    assert len(await control.requests()) == asked


async def test_nothing_written_is_nothing_to_judge(moderator: OpenAIModerator, control: Control) -> None:
    assert (await moderate_text(moderator), await control.requests()) == (Allowed(), [])
