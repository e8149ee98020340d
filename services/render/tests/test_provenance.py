"""Every output says by machine-readable marks that it is synthetic, and the picture in it is not touched."""

import io
import json
import struct
from collections.abc import AsyncIterator, Iterator

import av
import pytest
from c2pa import Reader
from PIL import Image

from atelier_contracts import RenderSpec
from atelier_imaging.pool import ImageWorkers
from atelier_imaging.srgb import SRGB_PROFILE
from atelier_render.outputs.analysis import Output, OutputAnalyser
from atelier_render.provenance.colour_profiles import with_profile
from atelier_render.provenance.identity import SigningIdentity, make_identity
from atelier_render.provenance.marker import Marker, Origin, unmarked
from atelier_render.provenance.source_types import ALGORITHM, COMPOSITE, TRAINED, TRAINED_COMPOSITE
from atelier_render.provenance.tags import Tag, add_tag
from atelier_render.providers.protocol import Input, Picture
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage
from atelier_render.providers.toolkit.narration_script import AUDIO_FORMATS
from atelier_render.speech.encoders import encoder_of

from .support.marks import manifest_of, validation_of

WORDS = RenderSpec(kind="image", prompt="a cat")


def picture(container: str, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((96, 64)).convert(mode).save(out, container, **options)
    return out.getvalue()


def sound(audio_format: str) -> bytes:
    file = encoder_of(audio_format, 22_050)
    file.add(struct.pack("<22050h", *(8_000 if at // 40 % 2 else -8_000 for at in range(22_050))))
    return file.whole()


OUTPUTS = {
    "png": picture("PNG"),
    "png with alpha": picture("PNG", "RGBA"),
    "jpeg": picture("JPEG"),
    "webp": picture("WEBP"),
    "webp lossless": picture("WEBP", lossless=True),
    "webp with alpha": picture("WEBP", "RGBA", lossless=True),
    "jpeg with xmp": picture("JPEG", xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
                             b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'),
    "avif": picture("AVIF"),
    "avif with alpha": picture("AVIF", "RGBA"),
    "avif with xmp": picture("AVIF", xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
                             b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'),
    **{name: sound(name) for name in ("mp3", "wav", "opus", "aac", "flac")},
}  # fmt: skip


@pytest.fixture(scope="module")
def identity() -> SigningIdentity:
    return make_identity()


@pytest.fixture(scope="module")
def marker(identity: SigningIdentity) -> Iterator[Marker]:
    marker = Marker(identity)
    yield marker
    marker.close()


@pytest.fixture(scope="module")
async def images() -> AsyncIterator[ImageWorkers]:
    workers = ImageWorkers(workers=1)
    yield workers
    await workers.close()


async def mark(marker: Marker, data: bytes, origin: Origin) -> bytes:
    (output,) = await marker.mark([Output(data, type_of(data) or "")], origin)
    return output.data


def decode(data: bytes) -> tuple[int, bytes]:
    """Rate and samples, by a decoder that is not ours."""
    with av.open(io.BytesIO(data), "r") as file:
        rate_hz = file.streams.audio[0].rate
        return rate_hz, b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name not in ("opus", "aac")])
async def test_an_outputs_manifest_is_valid_and_trusted_by_who_trusts_the_installation(
    marker: Marker, identity: SigningIdentity, name: str
) -> None:
    data = await mark(marker, OUTPUTS[name], Origin("openai", "gpt-image-2.6-flare", WORDS))

    assert validation_of(data, identity) == "Trusted"
    assert TRAINED in json.dumps(manifest_of(data))
    assert "gpt-image-2.6-flare" in json.dumps(manifest_of(data))


@pytest.mark.parametrize("name", OUTPUTS)
async def test_an_output_stays_whole_and_carries_the_tag(marker: Marker, name: str) -> None:
    data = await mark(marker, OUTPUTS[name], Origin("openai", None, WORDS))
    content_type = type_of(data) or ""

    assert content_type == type_of(OUTPUTS[name])
    assert flaw(Picture(data, content_type)) is None
    assert TRAINED.encode() in data


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name not in AUDIO_FORMATS])
async def test_marks_leave_the_pixels_as_they_were(marker: Marker, name: str) -> None:
    data = await mark(marker, OUTPUTS[name], Origin("openai", None, WORDS))

    before, after = Image.open(io.BytesIO(OUTPUTS[name])), Image.open(io.BytesIO(data))
    assert (before.mode, before.size, before.tobytes()) == (after.mode, after.size, after.tobytes())
    assert f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"'.encode() in after.info["xmp"]


@pytest.mark.parametrize("name", AUDIO_FORMATS)
async def test_marks_leave_the_sound_as_it_was(marker: Marker, name: str) -> None:
    before = sound(name)

    data = await mark(marker, before, Origin("narration", None, RenderSpec(kind="narration")))

    assert data != before and decode(data) == decode(before)
    assert ALGORITHM.encode() in data


@pytest.mark.parametrize("name", ["opus", "flac"])
def test_comments_stand_beside_those_that_are_there_as_players_read_them(name: str) -> None:
    content_type = type_of(OUTPUTS[name]) or ""

    once = add_tag(OUTPUTS[name], content_type, Tag(TRAINED, "Atelier, tts-1"))
    twice = add_tag(once, content_type, Tag(ALGORITHM, "Atelier"))

    with av.open(io.BytesIO(once)) as file:
        told = {**file.metadata, **file.streams.audio[0].metadata}
    assert {told[key] for key in told if key.lower() == "digitalsourcetype"} == {TRAINED}
    assert twice.count(b"DigitalSourceType=") == 2
    assert flaw(Picture(twice, content_type)) is None


@pytest.mark.parametrize("name", ["opus", "aac", "flac"])
def test_a_sound_that_is_cut_short_is_not_delivered(name: str) -> None:
    whole = OUTPUTS[name]
    cut = whole[:30] if name == "flac" else whole[:-7]

    assert flaw(Picture(whole, type_of(whole) or "")) is None
    assert flaw(Picture(cut, type_of(whole) or "")) is not None


async def test_the_same_output_twice_differs_in_its_manifest_alone(marker: Marker) -> None:
    """Settled question 14: a manifest has an id and a salt of its own; without it the bytes are the same."""
    origin = Origin("local", None, WORDS)
    once, again = await mark(marker, OUTPUTS["png"], origin), await mark(marker, OUTPUTS["png"], origin)

    assert once != again
    assert Image.open(io.BytesIO(once)).tobytes() == Image.open(io.BytesIO(again)).tobytes()
    assert add_tag(OUTPUTS["png"], "image/png", Tag(ALGORITHM, "Atelier")) == add_tag(
        OUTPUTS["png"], "image/png", Tag(ALGORITHM, "Atelier")
    )


@pytest.mark.parametrize(
    ("provider", "inputs", "source"),
    [
        ("openai", (), TRAINED),
        ("openai", (Input("image", OUTPUTS["png"]),), TRAINED_COMPOSITE),
        ("local", (), ALGORITHM),
        ("local", (Input("person", OUTPUTS["jpeg"]), Input("garment", OUTPUTS["png"])), COMPOSITE),
    ],
)
async def test_the_source_type_says_how_it_was_made_and_inputs_are_its_ingredients(
    marker: Marker, provider: str, inputs: tuple[Input, ...], source: str
) -> None:
    data = await mark(marker, OUTPUTS["png"], Origin(provider, None, WORDS, inputs))

    found = manifest_of(data)
    assert source in json.dumps(found)
    ingredients = found.get("ingredients", [])
    assert isinstance(ingredients, list)
    assert [ingredient["title"] for ingredient in ingredients] == [
        f"{given.role} (input-{place})" for place, given in enumerate(inputs, 1)
    ]
    with Reader("image/png", io.BytesIO(data)) as reader:
        assert reader.get_validation_state() == "Valid"


async def test_the_manifest_that_a_provider_put_in_is_kept(marker: Marker) -> None:
    theirs = Marker(make_identity("A provider"))
    from_provider = await mark(theirs, OUTPUTS["jpeg"], Origin("theirs", "their-model", WORDS))
    theirs.close()

    data = await mark(marker, from_provider, Origin("openai", None, WORDS))

    found = manifest_of(data)
    ingredients = found["ingredients"]
    assert isinstance(ingredients, list)
    assert [ingredient["relationship"] for ingredient in ingredients] == ["parentOf"]
    with Reader("image/jpeg", io.BytesIO(data)) as reader:
        assert "their-model" in reader.json()
        assert reader.get_validation_state() == "Valid"


async def test_the_manifest_of_a_picture_that_was_fitted_here_is_kept(
    marker: Marker, identity: SigningIdentity, images: ImageWorkers
) -> None:
    theirs = Marker(make_identity("A provider"))
    from_provider = await mark(theirs, OUTPUTS["png"], Origin("theirs", "their-model", WORDS))
    theirs.close()
    fitted = await ImageNormaliser(images).normalise(from_provider, TargetImage(48, 48, "avif"))
    assert isinstance(fitted, Picture)
    (output,), wrong = await OutputAnalyser(images.analyse).analyse([fitted], remaining_s=60)

    (done,) = await marker.mark([output], Origin("openai", None, WORDS))

    assert wrong is None and done.content_type == "image/avif" and done.as_made is None
    assert [ingredient["relationship"] for ingredient in manifest_of(done.data)["ingredients"]] == ["parentOf"]
    assert validation_of(done.data, identity) == "Trusted"


@pytest.mark.parametrize("name", ["png", "png with alpha", "jpeg", "webp", "webp lossless", "webp with alpha"])
async def test_a_picture_that_does_not_say_its_colours_is_given_the_profile_of_srgb(marker: Marker, name: str) -> None:
    output = Output(OUTPUTS[name], type_of(OUTPUTS[name]) or "")

    (done,) = await marker.mark([output], Origin("openai", None, WORDS))

    for data in (done.data, unmarked(output).data):
        picture = Image.open(io.BytesIO(data))
        assert picture.info["icc_profile"] == SRGB_PROFILE
        assert picture.tobytes() == Image.open(io.BytesIO(OUTPUTS[name])).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        picture("PNG", "L"),
        picture("JPEG", "L"),
        picture("JPEG", "CMYK"),
        picture("PNG", icc_profile=b"a profile of its own"),
        picture("JPEG", icc_profile=b"a profile of its own"),
        picture("WEBP", icc_profile=b"a profile of its own"),
        OUTPUTS["avif"],
        b"\x89PNG\r\n\x1a\nnothing of it",
    ],
)
def test_a_picture_that_says_its_colours_or_has_none_keeps_its_bytes(data: bytes) -> None:
    assert with_profile(data, type_of(data) or "") == data


async def test_without_marks_of_ours_the_bytes_under_a_providers_manifest_stay(marker: Marker) -> None:
    from_provider = await mark(marker, picture("PNG", "L"), Origin("theirs", "their-model", WORDS))

    assert unmarked(Output(from_provider, "image/png")).data == from_provider


async def test_thumbnails_are_marked_too(marker: Marker) -> None:
    output = Output(OUTPUTS["png"], "image/png", 96, 64, OUTPUTS["webp"])

    (done,) = await marker.mark([output], Origin("openai", None, WORDS))

    assert done.thumbnail is not None
    assert TRAINED in json.dumps(manifest_of(done.thumbnail))


async def test_an_output_that_takes_no_mark_is_delivered_without_and_said_so(
    marker: Marker, caplog: pytest.LogCaptureFixture
) -> None:
    odd = Output(b"\x89PNG\r\n\x1a\nnothing of it", "image/png")

    (done,) = await marker.mark([odd], Origin("openai", None, WORDS))

    assert done.data == odd.data
    assert ["delivered without" in record.getMessage() for record in caplog.records] == [True, True]
