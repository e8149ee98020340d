"""OpenAI's moderation endpoint as a moderator: what it flags is refused, what it does not say is not known."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from atelier_contracts import Owner
from atelier_render.content import Allowed, Away, Content, Forbidden
from atelier_render.moderation_openai import OpenAIModerator

OWNER = Owner(kind="store", id=uuid4())


def result(*flagged: str) -> dict[str, Any]:
    categories = {name: name in flagged for name in ("violence", "hate", "self-harm")}
    return {
        "flagged": bool(flagged),
        "categories": categories,
        "category_scores": {},
        "category_applied_input_types": {},
    }


async def verdict(monkeypatch: pytest.MonkeyPatch, answer: httpx2.Response | Exception, *texts: str) -> Any:
    heard = []

    def say(request: httpx2.Request) -> httpx2.Response:
        heard.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(say))
    monkeypatch.setattr("atelier_render.moderation_openai.client", lambda **_: http)
    moderator = OpenAIModerator("a key", base_url="http://openai.test/v1", timeout_s=5)
    said = await moderator.judge(Content(uuid4(), OWNER, "image", texts))
    await moderator.close()
    return said, heard


async def test_every_text_is_judged_in_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx2.Response(200, json={"id": "m", "model": "omni", "results": [result(), result()]})

    said, [request] = await verdict(monkeypatch, answer, "one", "two")

    assert said == Allowed()
    assert str(request.url) == "http://openai.test/v1/moderations"
    assert request.headers["Authorization"] == "Bearer a key"
    assert json.loads(request.content) == {"input": ["one", "two"], "model": "omni-moderation-latest"}


async def test_what_is_flagged_is_refused_for_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [result(), result("violence", "self-harm")]
    answer = httpx2.Response(200, json={"id": "m", "model": "omni", "results": results})

    said, _ = await verdict(monkeypatch, answer, "one", "two")

    assert said == Forbidden("the text was refused for: self-harm, violence")


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, json={"id": "m", "model": "omni", "results": [result()]}),
        httpx2.Response(200, json={"id": "m", "model": "omni", "results": [{"flagged": "perhaps"}, {}]}),
        httpx2.Response(200, json={}),
        httpx2.Response(200, json=[]),
        httpx2.Response(401, json={"error": {"message": "no such key"}}),
        httpx2.Response(429),
        httpx2.Response(503),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("late"),
    ],
)
async def test_no_clear_answer_for_every_text_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, answer: httpx2.Response | Exception
) -> None:
    said, _ = await verdict(monkeypatch, answer, "one", "two")

    assert isinstance(said, Away)


async def test_nothing_written_is_nothing_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    said, heard = await verdict(monkeypatch, httpx2.Response(503))

    assert (said, heard) == (Allowed(), [])
