"""What hosted providers share: retry times, combined outcomes, image sizes and normalised images."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from atelier_render.providers.protocol import (
    Partial,
    Picture,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_render.providers.toolkit.fan_out import combine_outcomes
from atelier_render.providers.toolkit.http_client import seconds
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage, Unusable
from atelier_render.providers.toolkit.image_size import sides

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, None),
        ("12", 12.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", 3_600.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("later", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(word: str | None, expected: float | None) -> None:
    assert seconds(word, now=NOW) == expected


A, B = Picture(b"a", "image/png"), Picture(b"b", "image/png")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Succeeded((A,), 1), Succeeded((B,), 1)], Succeeded((A, B), 2)),
        ([Succeeded((A,), 1), Unknown()], Partial((A,), 1)),
        ([Partial((A,), 1), Refused("r")], Partial((A,), 1)),
        ([Transient("t"), Unknown()], Unknown()),
        ([Transient("t"), RateLimited(3)], RateLimited(3)),
        ([RateLimited(3), Refused("r")], Refused("r")),
        ([Transient("t"), Transient("u")], Transient("t")),
    ],
)
def test_several_calls_answer_as_one(outcomes: list[ProviderOutcome], expected: ProviderOutcome) -> None:
    assert combine_outcomes(outcomes, wanted=2) == expected


def draw(file_format: str, size: tuple[int, int] = (90, 60), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize(size).save(out, file_format, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        draw("PNG"),
        draw("JPEG"),
        draw("JPEG", progressive=True, comment=b"x" * 300),
        draw("WEBP"),
        draw("WEBP", lossless=True),
        draw("WEBP", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"),
    ],
)
def test_sides_are_read_from_the_bytes_and_from_no_half_of_them(data: bytes) -> None:
    assert sides(data) == (90, 60)
    assert sides(data[:11]) is None
    assert sides(b"GIF89a" + data) is None


async def test_a_picture_that_is_as_asked_stays_as_it_came_and_others_are_fitted(normaliser: ImageNormaliser) -> None:
    wanted = TargetImage(90, 60, "png")

    kept = await normaliser.normalise(draw("PNG"), wanted)
    cut = await normaliser.normalise(draw("WEBP", (200, 200)), wanted)

    assert isinstance(kept, Picture) and kept.data == draw("PNG")
    assert isinstance(cut, Picture) and (cut.content_type, sides(cut.data)) == ("image/png", (90, 60))


@pytest.mark.parametrize(
    "data", [b"", b"<html>", draw("PNG")[:-20] + bytes(20), draw("JPEG")[:-2], draw("WEBP", (200, 200))[:-9]]
)
async def test_what_is_broken_is_unusable(normaliser: ImageNormaliser, data: bytes) -> None:
    assert isinstance(await normaliser.normalise(data, TargetImage(90, 60, "png")), Unusable)
    assert isinstance(await normaliser.from_base64("no base64!", TargetImage(90, 60, "png")), Unusable)
