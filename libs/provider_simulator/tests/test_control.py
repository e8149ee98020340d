"""What can be planned, and that nothing is planned by mistake."""

import httpx
import pytest

from atelier_provider_simulator.control import Control

PATH = "/images/generations"
ASKED = {"model": "gpt-image-2.5-flare", "prompt": "a lake", "size": "1024x1024"}


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"provider": "openai", "outcome": "explode"}, "outcome"),
        ({"provider": "nobody", "outcome": "succeed"}, "provider"),
        ({"provider": "openai", "outcome": "succeed", "delay": 5}, "delay"),
        ({"provider": "openai", "outcome": "succeed", "retry_after_s": 5}, "retry_after_s"),
        ({"provider": "openai", "outcome": "refused", "delivered": 1}, "delivered"),
        ({"provider": "openai", "outcome": "slow"}, "delay_ms"),
        ({"provider": "openai", "outcome": "succeed", "times": 0}, "times"),
    ],
)
async def test_a_plan_that_is_not_understood_is_refused_by_name(
    control: Control, wrong: dict[str, object], names: str
) -> None:
    async with httpx.AsyncClient(base_url=control.url, trust_env=False) as http:
        answer = await http.post("/_control/plans", json=wrong)

    assert answer.status_code == 422
    assert names in answer.text


async def test_plans_are_used_in_order_and_then_all_is_well(control: Control, openai: httpx.AsyncClient) -> None:
    await control.plan("openai", "server_error", times=2, status=503)
    await control.plan("openai", "rate_limited", retry_after_s=1.5)

    answers = [await openai.post(PATH, json=ASKED) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert (answers[2].headers["retry-after"], answers[2].headers["retry-after-ms"]) == ("2", "1500")
    outcomes = [(request.outcome, request.made) for request in await control.requests()]
    assert outcomes == [("server_error", 0), ("server_error", 0), ("rate_limited", 0), ("succeed", 1)]


async def test_a_plan_for_one_provider_does_not_reach_the_other(
    control: Control, openai: httpx.AsyncClient, google: httpx.AsyncClient
) -> None:
    await control.plan("google", "server_error")

    assert (await openai.post(PATH, json=ASKED)).status_code == 200
    body = {"contents": [{"parts": [{"text": "a lake"}]}]}
    answer = await google.post("/models/gemini-3.1-flash-image:generateContent", json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (500, "INTERNAL")


async def test_the_same_key_is_answered_the_same_and_made_once(control: Control, openai: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}

    first = await openai.post(PATH, json=ASKED, headers=headers)
    second = await openai.post(PATH, json=ASKED, headers=headers)
    other = await openai.post(PATH, json=ASKED | {"prompt": "a hill"}, headers={"Idempotency-Key": "two"})

    assert first.content == second.content
    assert first.json()["data"] != other.json()["data"]
    assert [(request.outcome, request.made) for request in await control.requests()] == [
        ("succeed", 1),
        ("replayed", 0),
        ("succeed", 1),
    ]


async def test_a_lost_answer_is_there_for_whoever_asks_again(control: Control, openai: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "lost"}
    await control.plan("openai", "lost_response")

    with pytest.raises(httpx.RemoteProtocolError):
        await openai.post(PATH, json=ASKED, headers=headers)
    again = await openai.post(PATH, json=ASKED, headers=headers)

    assert again.status_code == 200
    assert [(request.outcome, request.made) for request in await control.requests()] == [
        ("lost_response", 1),
        ("replayed", 0),
    ]


async def test_a_late_success_is_made_for_a_caller_who_has_gone(control: Control, openai: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "late"}
    await control.plan("openai", "late_success")

    with pytest.raises(httpx.ReadTimeout):
        await openai.post(PATH, json=ASKED, headers=headers, timeout=0.3)

    assert (await openai.post(PATH, json=ASKED, headers=headers)).status_code == 200
    assert sum(request.made for request in await control.requests()) == 1


async def test_a_failure_is_not_remembered_under_its_key(control: Control, openai: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "tried"}
    await control.plan("openai", "server_error")

    answers = [(await openai.post(PATH, json=ASKED, headers=headers)).status_code for _ in range(2)]

    assert answers == [500, 200]
