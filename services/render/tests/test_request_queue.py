"""Providers that queue requests: what they have taken is found by its id, and never submitted again."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from atelier_contracts.image_models import QUEUED_MODELS, ImageProvider
from atelier_provider_simulator.control import Control
from atelier_render.providers.protocol import (
    LOST,
    Partial,
    Provider,
    ProviderJob,
    RateLimited,
    Succeeded,
    Unknown,
)
from atelier_render.providers.registry import HOSTED
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

from .support.provider_subjects import job_of

WORDS: dict[str, Any] = {"kind": "image", "prompt": "a lake"}
SLOW_MS = 60_000
CANCELS = frozenset({"fal", "replicate"})
"""The API of Black Forest Labs has no way to stop a task."""


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control
        await control.forget()


@pytest.fixture(params=QUEUED_MODELS)
def name(request: pytest.FixtureRequest) -> ImageProvider:
    found: ImageProvider = request.param
    return found


@pytest.fixture
async def provider(name: ImageProvider, control: Control, normaliser: ImageNormaliser) -> AsyncIterator[Provider]:
    (hosted,) = (each for each in HOSTED if each.name == name)
    created: Any = hosted.create(control.key_of(name), hosted.settings(base_url=control.url_of(name)), normaliser, 30.0)
    yield created
    await created.close()


def job_with_log(**asked: Any) -> tuple[ProviderJob, dict[str, str]]:
    """A job, and what is recorded as accepted: by the part, the id."""
    accepted: dict[str, str] = {}

    async def record(part: str, request_id: str) -> None:
        accepted[part] = request_id

    return replace(job_of(b"", b"", **(WORDS | asked)), accepted=accepted, record_accepted=record), accepted


async def taken(accepted: dict[str, str], parts: int = 1) -> None:
    """Waits until so many requests have been accepted."""
    while len(accepted) < parts:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)


async def test_what_was_taken_is_delivered_to_the_process_that_asks_by_its_id(
    provider: Provider, name: ImageProvider, control: Control
) -> None:
    await control.plan(name, "slow", delay_ms=1_500)
    job, accepted = job_with_log()
    dying = asyncio.create_task(provider.submit(job))
    await asyncio.wait_for(taken(accepted), 60)
    dying.cancel(LOST)
    with pytest.raises(asyncio.CancelledError):
        await dying
    heir, _ = job_with_log()

    outcome = await provider.recall(replace(job, accepted=dict(accepted), meter=heir.meter))

    assert isinstance(outcome, Succeeded) and outcome.delivered == 1
    assert len(await control.requests()) == 1
    assert (heir.meter.calls, heir.meter.answers, heir.meter.request_ids) == (1, 1, [accepted["0"]])


async def test_what_has_no_id_stays_unknown_and_nothing_is_submitted(provider: Provider, control: Control) -> None:
    job, _ = job_with_log()

    assert isinstance(await provider.recall(job), Unknown)
    assert await control.requests() == []


async def test_of_several_those_are_delivered_that_were_taken(provider: Provider, control: Control) -> None:
    job, accepted = job_with_log(n=3)
    assert isinstance(await provider.submit(job), Succeeded)
    known = {part: accepted[part] for part in ("0", "2")}

    outcome = await provider.recall(replace(job, accepted=known))

    assert isinstance(outcome, Partial) and outcome.delivered == 2
    assert len(await control.requests()) == 3


async def test_a_lost_answer_is_not_repeated_by_the_sdk(
    provider: Provider, name: ImageProvider, control: Control
) -> None:
    await control.plan(name, "lost_response")
    job, accepted = job_with_log()

    assert isinstance(await provider.submit(job), Unknown)
    assert (len(await control.requests()), accepted) == (1, {})


@pytest.mark.parametrize("outcome", ["rate_limited", "server_error", "out_of_quota"])
async def test_an_answer_of_failure_is_not_repeated_by_the_sdk(
    provider: Provider, name: ImageProvider, control: Control, outcome: Any
) -> None:
    await control.plan(name, outcome, **({"status": 503} if outcome == "server_error" else {}))
    job, accepted = job_with_log()

    assert not isinstance(await provider.submit(job), Succeeded | Unknown)
    assert (len(await control.requests()), accepted, job.meter.answers) == (1, {}, 1)


async def test_what_a_proxy_says_of_a_submission_leaves_it_unknown(
    provider: Provider, name: ImageProvider, control: Control
) -> None:
    await control.plan(name, "server_error", status=504)
    job, _ = job_with_log()

    assert isinstance(await provider.submit(job), Unknown)
    assert job.meter.answers == 0


async def test_the_wait_that_is_asked_for_is_passed_on(
    provider: Provider, name: ImageProvider, control: Control
) -> None:
    await control.plan(name, "rate_limited", retry_after_s=7)

    assert await provider.submit(job_with_log()[0]) == RateLimited(7)


@pytest.mark.parametrize("message", [None, LOST])
async def test_a_job_that_ends_early_is_cancelled_there_unless_another_process_goes_on(
    provider: Provider, name: ImageProvider, control: Control, message: str | None
) -> None:
    await control.plan(name, "slow", delay_ms=SLOW_MS)
    job, accepted = job_with_log()
    submitting = asyncio.create_task(provider.submit(job))
    await asyncio.wait_for(taken(accepted), 60)

    submitting.cancel(message)

    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert len(await control.cancelled()) == (1 if message is None and name in CANCELS else 0)


async def test_every_picture_has_a_seed_and_a_key_of_its_own(
    provider: Provider, name: ImageProvider, control: Control
) -> None:
    job, accepted = job_with_log(n=2, key="k")

    outcome = await provider.submit(job)

    assert isinstance(outcome, Succeeded) and outcome.model == QUEUED_MODELS[name][0]
    assert len({made.data for made in outcome.pictures}) == 2
    assert {request.idempotency_key for request in await control.requests()} == {"k-1of2", "k-2of2"}
    assert len(set(accepted.values())) == 2


async def test_large_inputs_arrive_whole(provider: Provider, control: Control) -> None:
    out = io.BytesIO()
    Image.effect_noise((700, 700), 90).save(out, "PNG", compress_level=0)
    picture = out.getvalue()
    assert len(picture) > 400_000

    outcome = await provider.submit(job_of(picture, b"", **WORDS, mode="edit"))

    assert isinstance(outcome, Succeeded), outcome
    (arrived,) = await control.requests()
    assert [(upload.width, upload.height) for upload in arrived.uploads] == [(700, 700)]


async def test_a_garment_is_put_on(provider: Provider, control: Control) -> None:
    if "try_on" not in provider.capabilities.kinds:
        pytest.skip("it has no model for try-on")
    out = io.BytesIO()
    Image.new("RGB", (512, 640), "grey").save(out, "JPEG")

    outcome = await provider.submit(job_of(out.getvalue(), b"", kind="try_on"))

    assert isinstance(outcome, Succeeded), outcome
    (arrived,) = await control.requests()
    assert len(arrived.uploads) == 2 and arrived.model == outcome.model


async def test_what_it_says_that_it_used_is_counted(provider: Provider, name: ImageProvider) -> None:
    job, accepted = job_with_log()
    await provider.submit(job)

    usage = job.meter.usage
    assert job.meter.is_reported and job.meter.request_ids == [accepted["0"]]
    assert (usage.outputs, usage.milliseconds, usage.milliunits) == {
        "fal": (1, 1_250, 1_049),
        "replicate": (1, 2_500, 0),
        "bfl": (1, 0, 3_000),
    }[name]
