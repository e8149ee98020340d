"""A team's own worker, over real HTTP: whatever it does, however badly it is reached, the outcome is the true one."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atelier_contracts import InputRef
from atelier_imaging.pool import ImageWorkers
from atelier_render.providers.protocol import (
    Failed,
    Input,
    Partial,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)

from .support.http_team import PNG, Fault, Team, answer_with, job, lose_request, run_team, work_and_lose_answer

SOUND = {"data": base64.b64encode(PNG).decode()}
BROKEN = {"data": base64.b64encode(PNG[:-20] + bytes(20)).decode()}


@pytest.fixture
async def team(images: ImageWorkers) -> AsyncIterator[Team]:
    with run_team(images) as team:
        yield team
        await team.leave()


async def test_a_job_arrives_whole_and_its_pictures_come_back(team: Team) -> None:
    given = InputRef(role="image", key="stores/1/uploads/2.png")
    order = job(Input("image", PNG), inputs=(given,), n=2, seed=7, style="vivid")

    outcome = await team.connect().submit(order)

    assert isinstance(outcome, Succeeded)
    assert outcome.delivered == len(outcome.pictures) == 2
    assert [(p.content_type, p.width, p.height) for p in outcome.pictures] == [("image/png", 64, 64)] * 2
    [asked] = team.asked
    assert asked["inputs"] == [{"role": "image", "data": SOUND["data"]}]
    told = {name: asked[name] for name in ("key", "kind", "mode", "model", "size", "prompt", "style", "n", "seed")}
    assert told == {
        "key": order.key,
        "kind": "image",
        "mode": "edit",
        "model": "ours-1",
        "size": "64x64",
        "prompt": "a red chair",
        "style": "vivid",
        "n": 2,
        "seed": 7,
    }
    assert str(order.owner.id) not in str(asked), "whose it is is not the worker's business"
    assert "uploads" not in str(asked)


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        ({"status": "refused", "reason": "no\x00 chairs\nhere"}, Refused, "no chairs here"),
        ({"status": "failed", "reason": "the card is broken"}, Failed, "the card is broken"),
        ({"status": "failed", "reason": "busy card", "retryable": True}, Transient, "busy card"),
        ({"status": "succeeded", "outputs": [BROKEN]}, Failed, "checksum inside the PNG"),
        ({"status": "succeeded", "outputs": [{"data": "PGh0bWw+"}]}, Failed, "no picture"),
        ({"status": "succeeded", "outputs": [SOUND | {"sha256": "0" * 64}]}, Failed, "own checksum"),
        ({"status": "succeeded", "outputs": [{"data": "%%%"}]}, Failed, "not base64"),
        ({"status": "succeeded", "outputs": [{}]}, Failed, "neither data nor a URL"),
        ({"status": "succeeded", "outputs": []}, Failed, "broke the contract"),
        ({"status": "succeeded", "outputs": [{"url": "http://10.0.0.1/a.png"}]}, Failed, "not fetched"),
        ({"status": "well"}, Failed, "broke the contract"),
    ],
)
async def test_what_the_worker_says_has_one_meaning(
    team: Team, answer: dict[str, Any], expected: type[ProviderOutcome], words: str
) -> None:
    team.make = lambda _: answer

    outcome = await team.connect().submit(job())

    assert isinstance(outcome, expected)
    assert words in outcome.reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answer", "delivered"),
    [
        ({"status": "partial", "outputs": [SOUND]}, 1),
        ({"status": "succeeded", "outputs": [SOUND, BROKEN, SOUND]}, 2),
    ],
)
async def test_what_is_sound_of_less_than_all_is_delivered(team: Team, answer: dict[str, Any], delivered: int) -> None:
    team.make = lambda _: answer

    outcome = await team.connect().submit(job(n=3))

    assert isinstance(outcome, Partial)
    assert outcome.delivered == len(outcome.pictures) == delivered


async def test_more_than_was_asked_for_is_not_taken(team: Team) -> None:
    team.make = lambda _: {"status": "succeeded", "outputs": [SOUND] * 4}

    outcome = await team.connect().submit(job(n=2))

    assert isinstance(outcome, Succeeded)
    assert outcome.delivered == len(outcome.pictures) == 2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (answer_with(429, Retry_After="7"), RateLimited(7.0)),
        (answer_with(429, Retry_After="Sat, 01 Jan 2000 00:00:00 GMT"), RateLimited(0.0)),
        (answer_with(429, Retry_After="soon"), RateLimited(5.0)),
        (answer_with(503), Transient("ours answered 503")),
        (answer_with(401), Transient("ours answered 401")),
        (answer_with(307, Location="http://10.0.0.1/"), Transient("ours answered 307")),
        (answer_with(502), Unknown()),
        (answer_with(504), Unknown()),
        (
            answer_with(422, {"reason": "64 is too small"}),
            Failed("provider_failed", "ours does not accept the request: 64 is too small"),
        ),
        (
            answer_with(400, b"<html>"),
            Failed("provider_failed", "ours does not accept the request: it does not say why"),
        ),
        (
            answer_with(200, {}, Content_Encoding="gzip"),
            Failed("provider_failed", "ours answered more than 2048 bytes"),
        ),
        (answer_with(200, {"status": "x" * 3000}), Failed("provider_failed", "ours answered more than 2048 bytes")),
    ],
)
async def test_every_answer_to_a_submission_has_its_outcome(
    team: Team, fault: Fault, expected: ProviderOutcome
) -> None:
    team.next("POST", fault)

    assert await team.connect(answer_bytes_max=2048).submit(job()) == expected
    assert team.asked == []


async def test_a_worker_that_is_away_has_made_nothing(team: Team) -> None:
    team.stop()

    assert await team.connect().submit(job()) == Transient("ours could not be reached")
    assert await team.connect().recall(job()) == Unknown()
    team.start()


async def test_what_was_made_behind_a_lost_answer_is_fetched_and_not_made_again(team: Team) -> None:
    team.next("POST", work_and_lose_answer)
    order, worker = job(), team.connect()

    assert await worker.submit(order) == Unknown()
    assert isinstance(await worker.recall(order), Succeeded)

    assert (team.count("POST"), len(team.asked)) == (1, 1)


async def test_what_was_lost_on_the_way_was_never_made(team: Team) -> None:
    team.next("POST", lose_request)
    order, worker = job(), team.connect()

    assert await worker.submit(order) == Unknown()
    assert await worker.recall(order) == Transient("ours does not know the job")
    assert team.asked == []


async def test_an_answer_that_does_not_come_is_an_unknown_outcome(team: Team) -> None:
    team.fail_next("late_success")

    assert await team.connect(answer_s=0.1).submit(job()) == Unknown()


async def test_trouble_between_two_polls_is_passed_over(team: Team) -> None:
    seen: list[int] = []
    underway = answer_with(200, {"status": "running", "progress": 40}, Retry_After="0")
    made = answer_with(200, {"status": "succeeded", "outputs": [SOUND]})
    team.next("POST", answer_with(202, {"status": "queued"}))
    team.next("GET", answer_with(503), lose_request, underway, answer_with(401), made)

    outcome = await team.connect().submit(job(tell=seen.append))

    assert isinstance(outcome, Succeeded)
    assert seen == [0, 40]
    assert team.count("GET") == 5


async def test_an_output_by_url_is_fetched_from_the_workers_own_origin(team: Team) -> None:
    url = f"http://127.0.0.1:{team.port}/pictures/1.png"
    output = {"url": url, "sha256": hashlib.sha256(PNG).hexdigest()}
    made = answer_with(200, {"status": "succeeded", "outputs": [output]})
    team.next("POST", made)
    team.next("GET", answer_with(503), made, answer_with(200, PNG))
    order, worker = job(), team.connect()

    assert await worker.submit(order) == Unknown()
    outcome = await worker.recall(order)

    assert isinstance(outcome, Succeeded)
    assert outcome.pictures[0].data == PNG


SONG = b"ID3\4\0\0\0\0\0\6a song\xff\xfb and its frames"


async def test_a_narration_is_the_audio_it_was_asked_to_be(team: Team) -> None:
    team.make = lambda _: {"status": "succeeded", "outputs": [{"data": base64.b64encode(SONG).decode()}]}

    outcome = await team.connect().submit(job(kind="narration", prompt="Once"))

    assert isinstance(outcome, Succeeded)
    assert (outcome.pictures[0].content_type, outcome.pictures[0].data) == ("audio/mpeg", SONG)


async def test_inputs_past_the_workers_bound_are_not_sent(team: Team) -> None:
    outcome = await team.connect(inputs_bytes_max=10).submit(job(Input("image", bytes(11))))

    assert outcome == Failed("invalid_input", "the inputs together have more than 10 bytes")
    assert team.seen == []


async def test_a_new_secret_is_taken_up_without_a_gap(team: Team) -> None:
    new = "whsec_" + base64.b64encode(b"the next secret, not known there yet").decode()

    assert isinstance(await team.connect(secrets=[new, *team.connect()._worker.secrets]).submit(job()), Succeeded)
    assert await team.connect(secrets=[new]).submit(job()) == Transient("ours answered 401")
