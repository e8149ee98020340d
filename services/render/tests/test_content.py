"""Content rules: a refusal before any provider, in words for the client; and no moderator available."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from atelier_contracts import Owner, RequestRender, Simulation
from atelier_contracts.value_objects import id_of_test_account
from atelier_contracts.word_filter import BannedWords
from atelier_render.jobs import Job
from atelier_render.moderation.http import UNSAID, HttpModerator
from atelier_render.moderation.moderators import (
    UNCHECKED,
    Allowed,
    BannedWordsModerator,
    Content,
    ContentModeration,
    Forbidden,
    ModerationVerdict,
    ModeratorUnavailable,
    WhenAway,
)
from atelier_render.providers.protocol import Input

Ask = Callable[..., RequestRender]
CONTENT = Content(uuid4(), Owner(kind="store", id=uuid4()), "image", ("a red bicycle", "a second text"))


class Scripted:
    """Gives the planned verdicts in order."""

    name = "scripted"

    def __init__(self, *verdicts: ModerationVerdict) -> None:
        self._verdicts = list(verdicts)
        self.heard: list[Content] = []

    async def moderate(self, content: Content) -> ModerationVerdict:
        self.heard.append(content)
        return self._verdicts.pop(0) if len(self._verdicts) > 1 else self._verdicts[0]

    async def close(self) -> None:
        """Nothing to let go of."""


async def reject_reason(
    ask: Ask,
    *moderators: Any,
    when_away: WhenAway = "refuse",
    remaining_s: float = 30.0,
    inputs: tuple[Input, ...] = (),
) -> tuple[str, str] | None:
    request = ask(prompt="a red bicycle")
    job = Job(request.generation_id, 1, request.owner, request.spec, "paced", None, remaining_s)
    ends_at = asyncio.get_running_loop().time() + remaining_s
    failure = await ContentModeration(moderators, when_away=when_away).reject_reason(job, inputs, ends_at)
    return (failure.code, failure.reason) if failure else None


async def test_the_first_refusal_is_final_and_nobody_is_asked_after_it(ask: Ask) -> None:
    first, second, third = Scripted(Allowed()), Scripted(Forbidden("not here")), Scripted(Allowed())

    assert await reject_reason(ask, first, second, third) == ("refused", "not here")
    assert (len(first.heard), len(third.heard)) == (1, 0)


async def test_the_prompt_and_every_text_to_be_read_are_judged(ask: Ask) -> None:
    moderator = BannedWordsModerator(BannedWords.from_list("gore", whole=True))
    harmless, banned = Input("text", b"once upon a time"), Input("text", "much g\u00f6re".encode())

    assert await reject_reason(ask, moderator, inputs=(harmless,)) is None
    found = await reject_reason(ask, moderator, inputs=(harmless, banned))

    assert found == ("refused", "the text holds a word that is not allowed here")


async def test_a_moderator_that_is_away_is_asked_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atelier_render.moderation.moderators.PAUSE_S", 0.001)
    back = Scripted(ModeratorUnavailable("no answer"), ModeratorUnavailable("no answer"), Allowed())

    assert await reject_reason(ask, back) is None
    assert len(back.heard) == 3


async def test_nothing_is_made_unchecked_where_that_is_the_policy(ask: Ask) -> None:
    assert await reject_reason(ask, Scripted(ModeratorUnavailable("gone")), remaining_s=0.5) == (
        "provider_unavailable",
        UNCHECKED,
    )


async def test_a_moderator_that_is_away_is_passed_over_where_that_is_the_policy(ask: Ask) -> None:
    away, next_one = Scripted(ModeratorUnavailable("gone")), Scripted(Forbidden("no"))

    assert await reject_reason(ask, away, when_away="allow") is None
    assert await reject_reason(ask, away, next_one, when_away="allow") == ("refused", "no")
    assert len(away.heard) == 2


async def test_of_a_test_account_no_moderator_elsewhere_reads_a_word(ask: Ask) -> None:
    elsewhere, banned = Scripted(Forbidden("no")), BannedWordsModerator(BannedWords.from_list("gore", whole=True))
    rules = ContentModeration([banned, elsewhere], when_away="refuse")
    owner = Owner(kind="store", id=id_of_test_account(uuid7()))

    refused = []
    for prompt in ("a red bicycle", "a scene of gore"):
        request = ask(prompt=prompt)
        job = Job(request.generation_id, 1, owner, request.spec, "paced", None, 60.0)
        refused.append(await rules.reject_reason(job, (), asyncio.get_running_loop().time() + 60))

    assert refused[0] is None and refused[1] is not None
    assert elsewhere.heard == []


async def test_a_refused_job_meets_no_provider(studio: Any, ask: Ask) -> None:
    ending = await studio.render(ask(prompt="a scene of gore", simulate=Simulation()))

    assert (ending.code, ending.provider) == ("refused", None)
    assert studio.objects.objects == {}


class Service:
    """A moderation service: the texts it received, and its verdicts."""

    def __init__(self) -> None:
        self.heard: list[httpx2.Request] = []
        self.says: httpx2.Response | Exception = httpx2.Response(200, json={"allowed": True})

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.heard.append(request)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """The handler of httpx2's requests."""
    service, real = Service(), httpx2.AsyncClient
    transport = httpx2.MockTransport(service.answer)
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **given: real(transport=transport, **given))
    return service


async def test_the_service_hears_who_wants_what_and_its_token(service: Service) -> None:
    moderator = HttpModerator("http://inside/judge", SecretStr("secret"), timeout_s=1)

    assert await moderator.moderate(CONTENT) == Allowed()
    await moderator.close()

    [request] = service.heard
    assert request.headers["Authorization"] == "Bearer secret"
    assert json.loads(request.content) == {
        "generation_id": str(CONTENT.generation_id),
        "owner": {"kind": "store", "id": str(CONTENT.owner.id)},
        "kind": "image",
        "texts": ["a red bicycle", "a second text"],
    }


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (httpx2.Response(200, json={"allowed": False, "reason": "no weapons"}), Forbidden("no weapons")),
        (httpx2.Response(200, json={"allowed": False}), Forbidden(UNSAID)),
        (httpx2.Response(503), ModeratorUnavailable("it answered 503")),
        (httpx2.Response(302, headers={"Location": "http://elsewhere"}), ModeratorUnavailable("it answered 302")),
        (httpx2.ConnectError("refused"), ModeratorUnavailable("ConnectError: refused")),
        (httpx2.ReadTimeout("late"), ModeratorUnavailable("ReadTimeout: late")),
    ],
)
async def test_only_a_clear_answer_is_a_verdict(service: Service, says: Any, expected: ModerationVerdict) -> None:
    service.says = says

    assert await HttpModerator("http://inside/judge", None, timeout_s=1).moderate(CONTENT) == expected


@pytest.mark.parametrize("body", ["", "yes", "[]", '{"allowed": "perhaps"}', '{"reason": "no"}'])
async def test_an_answer_that_is_not_understood_is_none(service: Service, body: str) -> None:
    service.says = httpx2.Response(200, text=body)

    assert isinstance(
        await HttpModerator("http://inside/judge", None, timeout_s=1).moderate(CONTENT), ModeratorUnavailable
    )
