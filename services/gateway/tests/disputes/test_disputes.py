"""Disputes: evidence decides by declared rules, a refund is billing's own return, each output is disputed once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import Owner, ReturnCredit
from atelier_gateway.identity.authenticator import Principal
from atelier_storage.keys import artefact_key

from ..support.disputes import UNIT, deliver, dispute, picture, tone, wrong
from ..support.world import World

pytestmark = pytest.mark.stack


def returns(world: World) -> list[ReturnCredit]:
    return [e.message for e in world.neighbours.heard if isinstance(e.message, ReturnCredit)]


async def test_a_blank_picture_is_refunded_at_once_with_its_evidence(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True))

    answer = await dispute(world, headers, generation, "other", text="It is not a cat.")

    done = answer.json()
    assert (answer.status_code, done["status"], done["rule"]) == (201, "refunded", "broken_output")
    assert (wrong(answer), done["credits"]) == (["not_blank"], UNIT)
    [sent] = returns(world)
    assert (str(sent.correction_id), sent.credits) == (done["id"], UNIT)
    listed = await world.client.get(f"/v1/generations/{generation}/disputes", headers=headers)
    assert listed.json() == {"data": [done]}


async def test_a_sound_picture_is_declined_with_every_check_shown(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture())

    answer = await dispute(world, headers, generation, "poor_quality", text="I do not like it.")

    assert (answer.status_code, answer.json()["status"], answer.json()["rule"]) == (201, "declined", "nothing_wrong")
    checks = {check["name"]: check["result"] for check in answer.json()["evidence"][0]["checks"]}
    assert checks == dict.fromkeys(
        ("stored", "unaltered", "opens", "format_as_asked", "size_as_asked", "not_blank", "not_an_input"), "right"
    )
    assert returns(world) == []


@pytest.mark.parametrize(
    ("data", "content_type", "body", "check"),
    [
        (picture()[:400], "image/png", None, "opens"),
        (picture(size=(200, 256)), "image/png", None, "size_as_asked"),
        (picture(), "image/jpeg", None, "format_as_asked"),
        (tone(loudness=0), "audio/wav", {"kind": "narration", "prompt": "hello", "audio_format": "wav"}, "not_blank"),
        (b"RIFF....WAVE", "audio/wav", {"kind": "narration", "prompt": "hello", "audio_format": "wav"}, "opens"),
        (tone(1), "audio/wav", {"kind": "narration", "prompt": "word " * 40, "audio_format": "wav"}, "long_enough"),
        (tone(9), "audio/wav", {"kind": "narration", "prompt": "hello"}, "format_as_asked"),
    ],
    ids=["cut-off", "other-sides", "mislabelled", "silent", "no-sound", "cut-short", "other-audio-format"],
)
async def test_each_declared_fault_is_found_and_refunded(
    world: World,
    store: tuple[Owner, dict[str, str]],
    data: bytes,
    content_type: str,
    body: dict[str, Any] | None,
    check: str,
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, data, body=body, content_type=content_type)

    answer = await dispute(world, headers, generation)

    assert (answer.json()["status"], wrong(answer)) == ("refunded", [check])


async def test_an_object_that_is_gone_or_altered_in_the_store_is_refunded(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    gone = await deliver(world, owner, headers, picture())
    altered = await deliver(world, owner, headers, picture())
    await world.container.objects.remove(artefact_key(owner.kind, owner.id, gone, 0, "png"))
    key = artefact_key(owner.kind, owner.id, altered, 0, "png")
    await world.container.objects.put(key, picture("#404040"), "image/png")

    answers = [await dispute(world, headers, generation, "does_not_open") for generation in (gone, altered)]

    assert [(answer.json()["status"], wrong(answer)) for answer in answers] == [
        ("refunded", ["stored"]),
        ("refunded", ["unaltered"]),
    ]


async def test_an_input_given_back_as_the_output_is_refunded_also_in_another_file(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    stored = await world.container.media_intake.store_picture(
        Principal(owner, "b2b"), picture(), role="image", filename="cat.png"
    )
    body = {"kind": "image", "prompt": "a dog", "size": "256x256", "inputs": [{"role": "image", "key": stored.key}]}  # type: ignore[union-attr]
    again = picture() + b"one byte more"
    generations = [await deliver(world, owner, headers, data, body=body) for data in (picture(), again)]

    answers = [await dispute(world, headers, generation, "same_as_input") for generation in generations]

    assert [(answer.json()["status"], wrong(answer)) for answer in answers] == [("refunded", ["not_an_input"])] * 2


async def test_only_the_broken_outputs_of_several_are_refunded(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(), picture(plain=True), picture())

    answer = await dispute(world, headers, generation)

    assert (answer.json()["status"], answer.json()["credits"]) == ("refunded", UNIT)
    assert [wrong(answer, output) for output in range(3)] == [[], ["not_blank"], []]


async def test_an_output_is_disputed_once_and_the_same_dispute_again_is_the_first(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True), picture())

    first = await dispute(world, headers, generation, outputs=[0])
    same = await dispute(world, headers, generation, outputs=[0])
    other = await dispute(world, headers, generation, "other", outputs=[0, 1])
    second = await dispute(world, headers, generation, outputs=[1])

    assert [a.status_code for a in (first, same, other, second)] == [201, 200, 409, 201]
    assert same.json() == first.json() and first.json()["id"] in other.json()["detail"]
    assert len(returns(world)) == 1


async def test_disputes_of_one_output_at_the_same_time_return_its_credits_once(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True))

    answers = await asyncio.gather(*(dispute(world, headers, generation) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == len(returns(world)) == 1


async def test_with_a_key_the_answer_is_given_again_byte_for_byte(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True))
    keyed = headers | {"Idempotency-Key": f"dispute-{uuid4()}"}

    answers = [await dispute(world, keyed, generation) for _ in range(2)]
    other = await dispute(world, keyed, generation, "other")

    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_what_is_not_charged_not_delivered_or_too_long_ago_is_no_dispute(
    world: World, store: tuple[Owner, dict[str, str]], policy: Any
) -> None:
    owner, headers = store
    returned = await deliver(world, owner, headers, picture(plain=True), returned=UNIT)
    old = await deliver(world, owner, headers, picture(plain=True))
    await world.pool.execute("UPDATE generations SET ended_at = now() - interval '15 days' WHERE id = $1", old)

    answers = [await dispute(world, headers, generation) for generation in (returned, old)]
    unknown = await dispute(world, headers, uuid4())
    beyond = await dispute(world, headers, returned, outputs=[1])

    assert [answer.status_code for answer in (*answers, unknown, beyond)] == [409, 409, 404, 400]
    assert "any more" in answers[0].json()["detail"] and "could be disputed until" in answers[1].json()["detail"]
    assert await world.pool.fetchval("SELECT count(*) FROM disputes") == 0


async def test_what_was_removed_by_design_is_no_fault(world: World, store: tuple[Owner, dict[str, str]]) -> None:
    owner, headers = store
    kept_no_longer, unknown = [await deliver(world, owner, headers, picture()) for _ in range(2)]
    for generation in (kept_no_longer, unknown):
        await world.container.objects.remove(artefact_key(owner.kind, owner.id, generation, 0, "png"))
    world.neighbours.records[f"jobs/{kept_no_longer}"] = {"artefacts": [], "removals": [{"reason": "expired"}]}
    del world.neighbours.records[f"jobs/{unknown}"]

    answers = [await dispute(world, headers, generation) for generation in (kept_no_longer, unknown)]

    assert [answer.json()["rule"] for answer in answers] == ["not_examined", "not_examined"]
    assert returns(world) == []


async def test_who_deletes_a_generation_cannot_dispute_that_its_outputs_are_gone(
    world: World, store: tuple[Owner, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture())
    remove, disputed = world.container.objects.remove, asyncio.Event()

    async def remove_and_wait(key: str) -> None:
        await remove(key)
        await disputed.wait()

    monkeypatch.setattr(world.container.objects, "remove", remove_and_wait)
    deleting = asyncio.create_task(world.client.delete(f"/v1/generations/{generation}", headers=headers))
    await asyncio.sleep(0.3)
    answer = await dispute(world, headers, generation)
    disputed.set()

    assert (answer.status_code, "being deleted" in answer.json()["detail"]) == (409, True)
    assert (await deleting).status_code == 204
    assert returns(world) == [] and await world.pool.fetchval("SELECT count(*) FROM generation_deletions") == 0
