"""An equal earlier result is delivered again where its owner allows it; another owner's or an unequal one never is."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import InputRef, Owner, RenderSpec, RequestRender, Simulation
from atelier_render.outputs.result_cache import fingerprint_of, is_made_by_requested_provider
from atelier_render.providers.protocol import Input
from atelier_storage.keys import upload_key

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
SPEC = RenderSpec(kind="image", prompt="a red bicycle", n=2)
PHOTO = Input("image", b"photo")


def again(ask: Ask, owner: Owner, **changes: Any) -> RequestRender:
    return ask(owner, **({"kind": "image", "prompt": "a bicycle", "n": 2, "simulate": Simulation()} | changes))


async def run_to_done(world: Any, process: Any, request: RequestRender) -> dict[str, Any]:
    await process.handle(request)
    await world.until(request.generation_id, "done")
    said: dict[str, Any] = await world.message_of(request.generation_id, "render_completed")
    return said


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "flat_lay"}, {"prompt": "a blue bicycle"}, {"size": "512x512"}, {"style": "vivid"}, {"quality": "hd"},
        {"format": "webp"}, {"n": 1}, {"seed": 7}, {"provider": "local"}, {"model": "m"}, {"mannequin": "m1"},
        {"background": "b1"}, {"language": "de"}, {"simulate": Simulation()},
    ],
)  # fmt: skip
async def test_whatever_the_picture_depends_on_tells_results_apart(other: dict[str, Any]) -> None:
    changed = RenderSpec.model_validate(SPEC.model_dump() | other)

    assert await fingerprint_of(changed, ()) != await fingerprint_of(SPEC, ())


async def test_inputs_count_by_their_bytes_and_roles_and_the_wish_to_reuse_does_not() -> None:
    one = SPEC.model_copy(update={"inputs": (InputRef(role="image", key="a"),)})
    same = SPEC.model_copy(update={"inputs": (InputRef(role="image", key="b"),), "reuse": True})

    assert await fingerprint_of(one, [PHOTO]) == await fingerprint_of(same, [PHOTO])
    assert await fingerprint_of(one, [Input("image", b"other")]) != await fingerprint_of(one, [PHOTO])
    assert await fingerprint_of(one, [Input("mask", b"photo")]) != await fingerprint_of(one, [PHOTO])


def test_what_a_stand_in_made_is_no_answer_to_the_next_who_asks_for_the_other() -> None:
    assert is_made_by_requested_provider(SPEC, "local")
    assert is_made_by_requested_provider(SPEC.model_copy(update={"provider": "openai"}), "openai")
    assert not is_made_by_requested_provider(SPEC.model_copy(update={"provider": "openai"}), "local")


async def test_an_equal_result_is_delivered_under_keys_of_its_own_and_said_to_be_reused(world: Any, ask: Ask) -> None:
    process, owner = world.process(), ask().owner
    process.start()
    first = await run_to_done(world, process, again(ask, owner))

    second = await run_to_done(world, process, again(ask, owner, reuse=True))

    assert (first["reused"], second["reused"], second["delivered"]) == (False, True, 2)
    for earlier, other in zip(first["outputs"], second["outputs"], strict=True):
        assert earlier["key"] != other["key"] and earlier["thumbnail"] != other["thumbnail"]
        assert {k: v for k, v in earlier.items() if k not in ("key", "thumbnail")} == {
            k: v for k, v in other.items() if k not in ("key", "thumbnail")
        }
        assert hashlib.sha256(world.objects.objects[other["key"]]).hexdigest() == earlier["sha256"]


async def test_nobody_else_is_given_it_and_who_did_not_ask_for_it_is_not_either(world: Any, ask: Ask) -> None:
    process, owner = world.process(), ask().owner
    process.start()
    await run_to_done(world, process, again(ask, owner))
    stranger = Owner(kind="user", id=owner.id)

    others = [again(ask, stranger, reuse=True), again(ask, ask().owner, reuse=True), again(ask, owner)]

    assert [(await run_to_done(world, process, other))["reused"] for other in others] == [False, False, False]


@pytest.mark.parametrize("spoiled", [b"something else", None])
async def test_what_is_not_whole_any_more_is_rendered_anew(world: Any, ask: Ask, spoiled: bytes | None) -> None:
    process, owner = world.process(), ask().owner
    process.start()
    first = await run_to_done(world, process, again(ask, owner))
    key = first["outputs"][1]["key"]
    if spoiled is None:
        del world.objects.objects[key]
    else:
        world.objects.objects[key] = spoiled

    second = await run_to_done(world, process, again(ask, owner, reuse=True))

    assert second["reused"] is False
    assert [output["sha256"] for output in second["outputs"]] == [output["sha256"] for output in first["outputs"]]


async def test_a_result_past_its_time_or_not_complete_is_no_result(world: Any, ask: Ask) -> None:
    process, owner = world.process(), ask().owner
    process.start()
    partial = Simulation(outcome="partial", delivered=1)
    await run_to_done(world, process, again(ask, owner, simulate=partial))
    old = again(ask, owner)
    await run_to_done(world, process, old)
    await world.pool.execute(
        "UPDATE results SET created_at = now() - interval '31 days' WHERE generation_id = $1", old.generation_id
    )

    requests = [again(ask, owner, simulate=partial, reuse=True), again(ask, owner, reuse=True)]

    assert [(await run_to_done(world, process, request))["reused"] for request in requests] == [False, False]


async def test_other_bytes_under_the_same_key_are_another_picture(world: Any, ask: Ask) -> None:
    process, owner, photos = world.process(), ask().owner, []
    process.start()
    key = upload_key(owner.kind, owner.id, uuid4(), "story.txt")
    for text in (b"One.", b"Two.", b"Two."):
        await world.objects.put(key, text, "text/plain")
        request = ask(owner, kind="narration", simulate=None, inputs=[InputRef(role="text", key=key)], reuse=True)
        photos.append(await run_to_done(world, process, request))

    assert [photo["reused"] for photo in photos] == [False, False, True]
    assert photos[0]["outputs"][0]["sha256"] != photos[1]["outputs"][0]["sha256"]


async def test_many_at_once_of_an_earlier_result_each_get_copies_of_their_own(world: Any, ask: Ask) -> None:
    process, owner = world.process(), ask().owner
    process.start()
    await run_to_done(world, process, again(ask, owner))

    said = await asyncio.gather(*(run_to_done(world, process, again(ask, owner, reuse=True)) for _ in range(8)))

    assert all(message["reused"] for message in said)
    keys = {output["key"] for message in said for output in message["outputs"]}
    assert len(keys) == 16 and keys <= set(world.objects.objects)
