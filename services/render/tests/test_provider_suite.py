"""What every provider must do: the same tests for all that can run here.

The list of them, and how to add one: ``provider_subjects.py``.
"""

import asyncio
import hashlib
import io
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from PIL import Image

from atelier_imaging.pool import ImageWorkers
from atelier_provider_simulator.control import Control
from atelier_render.providers.protocol import (
    Failed,
    Partial,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_render.providers.toolkit.file_checks import flaw

from .support.provider_subjects import SUBJECTS, Subject, Tools, job_of
from .support.suite_checks import check, pictures, rows, spec_of

TOLD = [(name, outcome) for name, entry in SUBJECTS.items() for outcome in entry.outcomes]
EXPECTED: dict[str, type[ProviderOutcome]] = {
    "refused": Refused,
    "rate_limited": RateLimited,
    "out_of_quota": Failed,
    "server_error": Transient,
    "lost_response": Unknown,
    "late_success": Unknown,
    "corrupt": Failed,
    "oversized": Failed,
    "partial": Partial,
}


@pytest.fixture(scope="module")
async def subjects(simulator_url: str, images: ImageWorkers) -> AsyncIterator[dict[str, Subject]]:
    """Every subject, once for all tests."""
    async with AsyncExitStack() as stack:
        tools = Tools(images, await stack.enter_async_context(Control(simulator_url)))
        yield {name: await stack.enter_async_context(entry.start(tools)) for name, entry in SUBJECTS.items()}


@pytest.fixture
async def subject(
    request: pytest.FixtureRequest, subjects: dict[str, Subject], simulator_url: str
) -> AsyncIterator[Subject]:
    """The provider under test, with no outcome arranged."""
    async with Control(simulator_url) as control:
        await control.forget()
        yield subjects[request.param]
        await control.forget()


pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning:atelier_render.providers.openai.provider")
every = pytest.mark.parametrize("subject", SUBJECTS, indirect=True)


@pytest.fixture(scope="module")
def picture() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((96, 96)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def mask() -> bytes:
    out = io.BytesIO()
    image = Image.new("RGBA", (96, 96), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (20, 20, 60, 60))
    image.save(out, "PNG")
    return out.getvalue()


@every
async def test_what_is_offered_can_be_made_and_is_as_it_was_asked(
    subject: Subject, picture: bytes, mask: bytes
) -> None:
    for case in rows(subject):
        job = job_of(picture, mask, **case)
        assert subject.provider.capabilities.objection(job.spec) is None, case

        outcome = await subject.provider.submit(job)

        assert isinstance(outcome, Succeeded) and outcome.delivered == 1, (case, outcome)
        (made,) = outcome.pictures
        check(subject, job, made)


@every
async def test_as_many_as_were_asked_for_and_no_two_alike(subject: Subject, picture: bytes, mask: bytes) -> None:
    case = rows(subject)[0] | {"n": 2}
    job = job_of(picture, mask, **case)
    if subject.provider.capabilities.objection(job.spec) is not None:
        assert {offer.n_max for offer in subject.provider.capabilities.offers if offer.kind == case["kind"]} == {1}
        return

    outcome = await subject.provider.submit(job)

    assert isinstance(outcome, Succeeded) and outcome.delivered == 2
    assert len({hashlib.sha256(made.data).hexdigest() for made in outcome.pictures}) == 2


@every
async def test_what_is_not_offered_is_objected_to_in_words_and_nothing_is_sent(
    subject: Subject, picture: bytes, mask: bytes
) -> None:
    can = subject.provider.capabilities
    for offer in can.offers:
        strange = {"model": offer.models, "size": offer.sizes, "style": offer.styles, "quality": offer.qualities}
        for name in (name for name, values in strange.items() if values):
            job = job_of(picture, mask, **(spec_of(offer, 0) | {name: "unheard-of"}))
            assert name in (can.objection(job.spec) or ""), name
        too_many = spec_of(offer, 0) | {"n": offer.n_max + 1}
        if too_many["n"] <= 10:
            assert can.objection(job_of(picture, mask, **too_many).spec) is not None
    assert subject.arrived is None or await subject.arrived() == []


@every
async def test_inputs_that_cannot_be_right_never_leave(subject: Subject) -> None:
    if not subject.provider.capabilities.reads_inputs:
        assert not subject.faithful, "whoever makes what is asked must look at what comes along"
        return
    kind = subject.provider.capabilities.offers[0].kind
    asked = {"kind": kind, "prompt": "", "mode": "edit"} if kind == "image" else {"kind": kind, "prompt": "…"}

    outcome = await subject.provider.submit(job_of(b"no picture", b"no mask", **asked))

    assert isinstance(outcome, Failed) and outcome.code == "invalid_input", outcome
    assert outcome.reason
    assert subject.arrived is None or await subject.arrived() == []


@pytest.mark.parametrize(("subject", "told"), TOLD, indirect=["subject"])
async def test_outcomes_are_told_apart(subject: Subject, told: str, picture: bytes, mask: bytes) -> None:
    assert subject.tell is not None
    asked = {"kind": "image"} | await subject.tell(told) | ({"n": 4} if told == "partial" else {})
    provider = subject.impatient if told == "late_success" else subject.provider
    assert provider is not None
    job = job_of(picture, mask, **asked)

    outcome = await provider.submit(job)

    if told == "corrupt" and isinstance(outcome, Succeeded):
        # The simulator hands broken pictures over; whoever called it looks at them.
        assert all(flaw(made) is not None for made in outcome.pictures)
        return
    assert isinstance(outcome, EXPECTED[told]), outcome
    match outcome:
        case RateLimited(after_s):
            assert after_s == 7
        case Failed(code, reason):
            assert code == ("provider_unavailable" if told == "out_of_quota" else "provider_failed") and reason
        case Partial(made, delivered):
            assert len(made) == delivered and 0 < delivered < 4
            for delivered_picture in made:
                check(subject, job, delivered_picture)
        case Refused(reason) | Transient(reason):
            assert reason


@every
async def test_the_same_key_again_gives_the_same_and_makes_nothing_twice(
    subject: Subject, picture: bytes, mask: bytes
) -> None:
    if subject.real:
        pytest.skip("the real services do not honour keys, and say so nowhere: that is what Unknown is for")
    job = job_of(picture, mask, key="the-same-key", **(rows(subject)[0]))

    first, second = await subject.provider.submit(job), await subject.provider.submit(job)

    assert [made.data for made in pictures(first)] == [made.data for made in pictures(second)]
    if subject.arrived is not None:
        arrived = await subject.arrived()
        assert sum(request.made for request in arrived) == 1
        assert arrived[-1].outcome == "replayed"


@pytest.mark.parametrize("subject", [name for name, told in TOLD if told == "lost_response"], indirect=True)
async def test_a_lost_answer_is_found_again_and_not_made_twice(subject: Subject, picture: bytes, mask: bytes) -> None:
    assert subject.tell is not None
    job = job_of(picture, mask, **({"kind": "image"} | await subject.tell("lost_response")))
    assert isinstance(await subject.provider.submit(job), Unknown)

    recalled = await subject.provider.recall(job)

    if subject.arrived is None:
        assert isinstance(recalled, Succeeded)
        return
    assert isinstance(recalled, Unknown), "the real service cannot be asked"
    assert isinstance(await subject.provider.submit(job), Succeeded)
    assert sum(request.made for request in await subject.arrived()) == 1


@every
async def test_cancelling_returns_and_leaves_no_task_behind(subject: Subject, picture: bytes, mask: bytes) -> None:
    if subject.real:
        pytest.skip("what a real service has begun costs money")
    case = rows(subject)[0] | {"n": 1}
    before = asyncio.all_tasks()
    asking = asyncio.create_task(subject.provider.submit(job_of(picture, mask, **await _slow(subject), **case)))
    await _under_way(subject)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if task is not asking}
    assert left == set()


async def _slow(subject: Subject) -> dict[str, Any]:
    if not subject.faithful:
        return {"simulate": {"delay_ms": 60_000}}
    if subject.tell is not None:
        await subject.tell("late_success")
    return {}


async def _under_way(subject: Subject) -> None:
    while subject.arrived is not None and not await subject.arrived():  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)


@every
async def test_no_secret_is_in_what_it_is_or_logs(
    subject: Subject, picture: bytes, mask: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    secret = subject.secret or "no secret is known to it"
    with caplog.at_level(logging.DEBUG):
        outcome = await subject.provider.submit(job_of(picture, mask, **rows(subject)[0]))

    said = f"{subject.provider!r} {outcome!r} {caplog.text} {[record.__dict__ for record in caplog.records]}"
    assert secret not in said
