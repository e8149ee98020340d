"""One attempt: every outcome a provider can have, and every input it can be given, ends in the right word."""

import asyncio
import hashlib
import io
import logging
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image, ImageChops
from uuid_utils.compat import uuid7

from atelier_contracts import InputRef, Owner, RequestRender, Simulation
from atelier_contracts.value_objects import id_of_test_account
from atelier_messaging.testing import becomes
from atelier_render.jobs import Completion, Failure
from atelier_render.providers.sample_outputs import sample_picture
from atelier_storage import keys

Ask = Callable[..., RequestRender]


def pretend(outcome: str, **orders: Any) -> Simulation:
    return Simulation(outcome=outcome, **orders)


async def test_pictures_are_stored_under_their_owner_with_their_checksum(studio: Any, ask: Ask) -> None:
    request = ask(simulate=Simulation(), n=2)

    ending = await studio.render(request)

    assert isinstance(ending, Completion)
    folder = f"stores/{request.owner.id}/generated/{request.generation_id}"
    assert [
        (str(PurePosixPath(artefact.key).parents[1]), PurePosixPath(artefact.key).name) for artefact in ending.artefacts
    ] == [
        (folder, "0.png"),
        (folder, "1.png"),
    ]
    for artefact in ending.artefacts:
        stored = studio.objects.objects[artefact.key]
        assert (artefact.sha256, artefact.size) == (hashlib.sha256(stored).hexdigest(), len(stored))
        assert (artefact.width, artefact.height, artefact.content_type) == (768, 1024, "image/png")


@pytest.mark.parametrize(
    ("asked", "sides"),
    [
        ({"kind": "image", "size": "256x256", "format": "jpeg"}, (256, 256)),
        ({"kind": "image", "size": "1536x1024", "format": "webp"}, (1536, 1024)),
        ({"kind": "image", "format": "png"}, (1024, 1024)),
        ({"kind": "on_model", "size": "2:3", "quality": "low", "format": "jpeg"}, (512, 768)),
        ({"kind": "product_shot", "size": "16:9", "quality": "ultra", "format": "webp"}, (1536, 864)),
        ({"kind": "try_on", "format": "jpeg"}, (768, 1024)),
    ],
)
async def test_simulated_pictures_have_the_size_and_format_asked_for(
    studio: Any, ask: Ask, asked: dict[str, Any], sides: tuple[int, int]
) -> None:
    ending = await studio.render(ask(simulate=Simulation(), n=2, **asked))

    assert isinstance(ending, Completion), ending
    for artefact in ending.artefacts:
        assert (artefact.width, artefact.height) == sides
        with Image.open(io.BytesIO(studio.objects.objects[artefact.key])) as picture:
            assert (picture.size, picture.format) == (sides, asked["format"].upper())


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
async def test_simulated_narrations_are_sounds(studio: Any, ask: Ask, audio_format: str) -> None:
    ending = await studio.render(ask(simulate=Simulation(), kind="narration", prompt="Once", audio_format=audio_format))

    assert isinstance(ending, Completion), ending
    assert [artefact.content_type for artefact in ending.artefacts] == [
        {"wav": "audio/wav", "mp3": "audio/mpeg"}[audio_format]
    ]


async def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(studio: Any, ask: Ask) -> None:
    endings = [await studio.render(ask(simulate=Simulation(), seed=seed)) for seed in (1, 1, 2)]

    one, same, other = (ending.artefacts[0].sha256 for ending in endings)

    assert one == same != other


async def test_without_a_picture_nothing_is_stored_and_all_is_delivered(studio: Any, ask: Ask) -> None:
    ending = await studio.render(ask(simulate=Simulation(picture=False), n=3))

    assert (ending.delivered, ending.artefacts, studio.objects.objects) == (3, (), {})


@pytest.mark.parametrize(("delivered", "expected"), [(2, 2), (None, 3), (9, 4)])
async def test_a_partial_result_delivers_what_was_made(
    studio: Any, ask: Ask, delivered: int | None, expected: int
) -> None:
    ending = await studio.render(ask(simulate=pretend("partial", delivered=delivered), n=4))

    assert (ending.delivered, len(ending.artefacts)) == (expected, expected)


@pytest.mark.parametrize(
    ("simulate", "code"),
    [
        (pretend("fail"), "provider_failed"),
        (pretend("partial", delivered=0), "provider_failed"),
        (pretend("timeout"), "provider_timeout"),
        (pretend("corrupt"), "provider_failed"),
    ],
)
async def test_what_went_wrong_has_its_code_and_leaves_no_object(
    studio: Any, ask: Ask, simulate: Simulation, code: str
) -> None:
    ending = await studio.render(ask(simulate=simulate))

    assert isinstance(ending, Failure)
    assert ending.code == code
    assert ending.provider == "simulator"
    assert studio.objects.objects == {}


async def test_a_lost_response_is_asked_for_again_not_made_again(studio: Any, ask: Ask) -> None:
    ending = await studio.render(ask(simulate=pretend("lost_response")))

    assert isinstance(ending, Completion)
    assert studio.objects.puts == 2, "the picture and its thumbnail, once each"


async def test_a_lost_response_that_nobody_remembers_is_an_unknown_outcome(
    studio: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier_render.providers.simulator.REMEMBERED_MAX", 0)

    ending = await studio.render(ask(simulate=pretend("lost_response")))

    assert ending.code == "unknown_outcome"


async def test_the_deadline_ends_a_render_under_way(studio: Any, ask: Ask) -> None:
    ending = await studio.render(ask(simulate=Simulation(delay_ms=5_000)), remaining_s=0.1)

    assert ending.code == "provider_timeout"


async def test_what_was_rendered_while_the_store_was_away_is_stored_later_and_not_rendered_again(
    studio: Any, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    studio.objects.away = True
    request = ask(simulate=Simulation())
    rendering = asyncio.create_task(studio.render(request))
    await is_spooled(studio, request)
    assert not rendering.done()

    studio.objects.away = False

    assert isinstance(await rendering, Completion)
    assert studio.objects.puts == 2, "the picture and its thumbnail, once each"


async def test_a_later_attempt_stores_what_an_earlier_one_left_in_the_spool(studio: Any, ask: Ask) -> None:
    request = ask(simulate=Simulation())
    studio.objects.away = True
    first = asyncio.create_task(studio.render(request))
    await is_spooled(studio, request)
    first.cancel()
    studio.objects.away = False

    # Told to fail, it would, if it rendered again.
    again = request.model_copy(update={"spec": request.spec.model_copy(update={"simulate": pretend("fail")})})
    ending = await studio.render(again, attempt=2)

    assert isinstance(ending, Completion)
    assert len(ending.artefacts) == 1


async def test_what_no_provider_makes_is_refused_in_words(studio: Any, ask: Ask) -> None:
    ending = await studio.render(ask(simulate=None, kind="narration", n=2))

    assert (ending.code, ending.reason) == (
        "invalid_input",
        "the narration provider objects: it makes at most 1 of narration at once",
    )


async def test_a_try_on_without_a_garment_is_refused(studio: Any, ask: Ask) -> None:
    owner = Owner(kind="store", id=uuid4())
    key = keys.upload_key("store", owner.id, uuid4(), "person.png")
    studio.objects.objects[key] = sample_picture(1, 32, 32)

    ending = await studio.render(ask(owner, simulate=None, inputs=(InputRef(role="person", key=key),)))

    assert ending.code == "invalid_input"
    assert "garment" in ending.reason


async def test_a_picture_that_is_none_is_refused_with_the_reason(studio: Any, ask: Ask) -> None:
    owner = Owner(kind="user", id=uuid4())
    names = [keys.upload_key("user", owner.id, uuid4(), name) for name in ("person.png", "shirt.png")]
    studio.objects.objects |= dict.fromkeys(names, b"not a picture")
    inputs = tuple(InputRef(role=role, key=key) for role, key in zip(("person", "garment"), names, strict=True))

    ending = await studio.render(ask(owner, simulate=None, inputs=inputs))

    assert ending.code == "invalid_input"
    assert ending.reason == "input 1 (person): The file is not a PNG, JPEG, WebP, HEIC, AVIF or GIF image."


async def is_spooled(studio: Any, request: RequestRender) -> None:
    """Waits until the outputs are rendered and wait for the object store."""

    async def probe() -> bool:
        return bool(studio.spool.holds(request.generation_id))

    await becomes(True, probe)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (768, 1024), (64, 48)])
def test_a_picture_of_a_test_account_says_so_across_its_middle(width: int, height: int) -> None:
    live, test = (sample_picture(7, width, height, is_test=is_test) for is_test in (False, True))

    with Image.open(io.BytesIO(live)) as plain, Image.open(io.BytesIO(test)) as marked:
        assert marked.size == plain.size == (width, height)
        changed = ImageChops.difference(plain, marked).getbbox()
        colours = {colour for _, colour in marked.getcolors(1 << 24) or ()}
    assert changed is not None
    left, top, right, bottom = changed
    assert (right - left) * 2 > width and abs((left + right) - width) <= 2 and abs((top + bottom) - height) <= 2
    assert {(255, 255, 255), (0, 0, 0)} <= colours


async def test_each_output_of_a_test_account_is_marked_in_the_format_that_was_asked_for(studio: Any, ask: Ask) -> None:
    request = ask(kind="image", size="256x256", format="webp", simulate=None)
    owner = Owner(kind="store", id=id_of_test_account(uuid7()))

    ending = await studio.render(request.model_copy(update={"owner": owner}))

    assert isinstance(ending, Completion) and ending.provider == "simulator", ending
    with Image.open(io.BytesIO(studio.objects.objects[ending.artefacts[0].key])) as picture:
        middle = picture.convert("L").crop((20, 80, 236, 176))
        shades = sorted(middle.histogram()[:30]), sorted(middle.histogram()[225:])
        assert picture.format == "WEBP" and any(shades[0]) and any(shades[1])
