"""The metadata of an output comes from its bytes; a failed analysis loses no sound output."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from PIL import Image

from atelier_imaging import Analysis, ImageQueueFull, ImageRefused, ImageWorkerDied
from atelier_imaging.analysis import analyse
from atelier_render.outputs.analysis import Output, OutputAnalyser
from atelier_render.providers.protocol import Picture

Look = Callable[[bytes], Awaitable[Analysis | ImageRefused]]


async def look(data: bytes) -> Analysis | ImageRefused:
    return analyse(data)


def picture(image_format: str = "PNG") -> Picture:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((40, 30)).save(out, image_format)
    return Picture(out.getvalue(), f"image/{image_format.lower()}", 40, 30)


def raise_worker_died(error: Exception) -> Look:
    async def die(_: bytes) -> Analysis | ImageRefused:
        raise error

    return die


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
async def test_a_mislabelled_picture_is_relabelled_as_what_its_bytes_are(image_format: str) -> None:
    whole = picture(image_format)

    (output,), wrong = await OutputAnalyser(look).analyse(
        [replace(whole, content_type="image/gif", width=1, height=None)], remaining_s=60
    )

    assert (output.content_type, output.width, output.height, wrong) == (whole.content_type, 40, 30, None)
    assert output.thumbnail and output.colours


async def test_what_is_no_picture_is_refused_and_its_neighbours_stay() -> None:
    pictures = [picture(), Picture(b"<html>busy</html>", "image/png", 1, 1)]

    outputs, wrong = await OutputAnalyser(look).analyse(pictures, remaining_s=60)

    assert [output.data for output in outputs] == [pictures[0].data]
    assert wrong == "what is said to be image/png is of no type that is stored"


async def test_a_picture_that_only_looks_whole_is_found_out_by_decoding_it() -> None:
    whole = picture("JPEG")
    hollow = replace(whole, data=whole.data[:60] + b"\xff\xd9")

    outputs, wrong = await OutputAnalyser(look).analyse([hollow], remaining_s=60)

    assert outputs == ()
    assert wrong is not None and "JPEG" in wrong


@pytest.mark.parametrize("error", [ImageWorkerDied("killed"), ImageQueueFull("full")])
async def test_a_sound_picture_that_nobody_could_look_at_is_stored_all_the_same(error: Exception) -> None:
    whole = picture()

    outputs, wrong = await OutputAnalyser(raise_worker_died(error)).analyse([whole], remaining_s=60)

    assert outputs == (Output(whole.data, "image/png", 40, 30),)
    assert wrong is None


async def test_a_look_that_takes_too_long_is_given_up_in_time_to_store_the_picture() -> None:
    async def never(_: bytes) -> Analysis | ImageRefused:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    outputs, _ = await OutputAnalyser(never).analyse([picture()], remaining_s=0.02)

    assert [output.thumbnail for output in outputs] == [None]


async def test_what_is_heard_is_not_looked_at() -> None:
    sound = Picture(b"ID3" + bytes(20) + b"\xff\xfb and frames", "audio/wav")

    outputs, _ = await OutputAnalyser(raise_worker_died(AssertionError("looked at"))).analyse([sound], remaining_s=60)

    assert outputs == (Output(sound.data, "audio/mpeg"),)
