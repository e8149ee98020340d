"""What providers report that a call used, as their SDKs hand it over, and what of it is counted."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from atelier_provider_simulator.control import Control
from atelier_render.providers.google.provider import Google
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import Failed, Input, Partial, ProviderJob, Refused, Succeeded, Unknown
from atelier_render.providers.sample_outputs import sample_picture
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.worker_http.contract import ANSWER, Made
from atelier_render.usage import REQUEST_ID_CHARS_MAX, Usage

from .support.provider_subjects import job_of
from .test_provider_wire import serve_answer

IMPATIENT_S = 0.5
WORDS: dict[str, Any] = {"kind": "image", "prompt": "a lake at dawn, blue"}
"""Five tokens of text as the simulator counts them."""


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def openai(control: Control, normaliser: ImageNormaliser) -> AsyncIterator[OpenAI]:
    provider = OpenAI(control.openai_key, normaliser, base_url=control.openai_url, retired="send")
    yield provider
    await provider.close()


@pytest.fixture
async def google(control: Control, normaliser: ImageNormaliser) -> AsyncIterator[Google]:
    provider = Google(control.google_key, normaliser, base_url=control.google_url)
    yield provider
    await provider.close()


def order(**asked: Any) -> ProviderJob:
    return job_of(b"", b"", **(WORDS | asked))


async def test_openais_tokens_and_request_ids_are_kept(openai: OpenAI) -> None:
    job = order(n=2, quality="low")

    outcome = await openai.submit(job)

    assert isinstance(outcome, Succeeded)
    assert job.meter.usage == Usage(input_text_tokens=5, output_image_tokens=2 * 272, outputs=2)
    assert (job.meter.model, job.meter.calls, job.meter.answers) == ("gpt-image-2.6-flare", 1, 1)
    assert job.meter.is_reported and job.meter.request_ids[0].startswith("req_")


async def test_a_picture_in_the_request_is_counted_as_image_tokens(openai: OpenAI) -> None:
    job = job_of(sample_picture(1, 64, 64), b"", **(WORDS | {"mode": "edit", "quality": "low"}))

    await openai.submit(job)

    assert (job.meter.usage.input_text_tokens, job.meter.usage.input_image_tokens) == (5, 323)


async def test_a_model_without_token_counts_is_counted_by_what_it_made(openai: OpenAI) -> None:
    job = order(model="dall-e-3", n=2)

    await openai.submit(job)

    assert (job.meter.usage, job.meter.is_reported) == (Usage(outputs=2), False)
    assert (job.meter.calls, job.meter.answers) == (2, 2)


async def test_a_narration_is_counted_by_its_characters(openai: OpenAI) -> None:
    text = "Once upon a time."
    job = replace(job_of(b"", b"", kind="narration"), inputs=(Input("text", text.encode()),))

    await openai.submit(job)

    assert job.meter.usage == Usage(characters=len(text), outputs=1)
    assert job.meter.request_ids[0].startswith("req_")


async def test_googles_tokens_come_by_modality_and_with_the_id_of_the_answer(google: Google) -> None:
    job = order(n=2)

    await google.submit(job)

    assert job.meter.usage == Usage(input_text_tokens=10, output_image_tokens=2 * 1_120, outputs=2)
    assert (job.meter.calls, job.meter.answers, len(job.meter.request_ids)) == (2, 2, 2)


async def test_what_was_made_and_held_back_has_still_been_used(google: Google, control: Control) -> None:
    await control.plan("google", "partial", delivered=0)
    job = order()

    outcome = await google.submit(job)

    assert isinstance(outcome, Refused)
    assert job.meter.usage == Usage(input_text_tokens=5, output_image_tokens=1_120)


async def test_an_unusable_picture_has_still_been_used(openai: OpenAI, control: Control) -> None:
    await control.plan("openai", "corrupt")
    job = order(quality="low")

    outcome = await openai.submit(job)

    assert isinstance(outcome, Failed)
    assert job.meter.usage.output_image_tokens == 272


@pytest.mark.parametrize("trouble", ["server_error", "rate_limited", "refused"])
async def test_an_error_is_an_answer_that_used_nothing(openai: OpenAI, control: Control, trouble: Any) -> None:
    await control.plan("openai", trouble)
    job = order()

    await openai.submit(job)

    assert (job.meter.usage, job.meter.calls, job.meter.answers) == (Usage(), 1, 1)
    assert job.meter.request_ids[0].startswith("req_")


async def test_a_lost_answer_leaves_its_call_open(openai: OpenAI, control: Control) -> None:
    await control.plan("openai", "lost_response")
    job = order()

    outcome = await openai.submit(job)

    assert outcome == Unknown()
    assert (job.meter.usage, job.meter.calls, job.meter.answers) == (Usage(), 1, 0)


async def test_of_several_calls_only_the_lost_one_stays_open(google: Google, control: Control) -> None:
    await control.plan("google", "lost_response")
    job = order(n=3)

    outcome = await google.submit(job)

    assert isinstance(outcome, Partial)
    assert (job.meter.calls, job.meter.answers, job.meter.usage.outputs) == (3, 2, 2)


STRANGE: list[Any] = [
    None,
    7,
    "none",
    [],
    {},
    {"input_tokens": "12", "output_tokens": -1},
    {"input_tokens": 1.5, "output_tokens": None, "input_tokens_details": "?"},
    {"input_tokens": 10**30, "input_tokens_details": {"text_tokens": 10**30}},
]


@pytest.mark.parametrize("usage", STRANGE)
async def test_strange_figures_never_cost_the_client_the_picture(
    normaliser: ImageNormaliser, control: Control, openai: OpenAI, usage: Any
) -> None:
    genuine = order()
    await openai.submit(genuine)
    picture = await _one_picture(control)
    async with serve_answer(200, {"created": 1, "data": [{"b64_json": picture}], "usage": usage}) as server:
        odd = OpenAI("sk-x", normaliser, base_url=server.url)
        job = order()

        outcome = await odd.submit(job)

        await odd.close()

    assert isinstance(outcome, Succeeded)
    assert (job.meter.usage, job.meter.is_reported, job.meter.answers) == (Usage(outputs=1), False, 1)


@pytest.mark.parametrize("usage", [*STRANGE, {"milliseconds": "1"}])
def test_strange_figures_of_a_worker_are_passed_over(usage: Any) -> None:
    body = {"status": "succeeded", "outputs": [{"url": "https://w/x.png"}], "usage": usage}

    answer = ANSWER.validate_json(json.dumps(body))

    assert isinstance(answer, Made)
    assert answer.usage is None or not any(answer.usage.model_dump().values())


def test_an_endless_request_id_is_cut() -> None:
    job = order()
    job.meter.begin("m")
    job.meter.end(request_id="r" * 10_000)

    assert job.meter.to_json() == {
        "calls": 1,
        "answers": 1,
        "reported": False,
        "request_ids": ["r" * REQUEST_ID_CHARS_MAX],
    }


async def _one_picture(control: Control) -> str:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{control.openai_url}/images/generations",
            headers={"Authorization": f"Bearer {control.openai_key}"},
            json={"model": "gpt-image-2", "prompt": "p"},
        )
    return str(answer.json()["data"][0]["b64_json"])
