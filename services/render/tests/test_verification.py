"""A picture is believed only if its bytes are what they are said to be."""

import io
import struct
import wave
import zlib
from dataclasses import replace

import pytest
from PIL import Image

from atelier_contracts import RenderSpec
from atelier_imaging.decoder import Photo, normalise
from atelier_provider_simulator.pictures import mp3_frames, synthesise_tone
from atelier_render.providers.openai.long_speech import join_sounds
from atelier_render.providers.protocol import Failed, Picture, Succeeded
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.toolkit.image_size import sides
from atelier_render.providers.toolkit.wave_files import NotSound, read_wave, with_true_lengths
from atelier_render.providers.worker_http.contract import Made, Output
from atelier_render.providers.worker_http.outputs import Outputs


def picture(image_format: str = "PNG") -> Picture:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((40, 30)).save(out, image_format)
    return Picture(out.getvalue(), f"image/{image_format.lower()}", 40, 30)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_whole_picture_has_no_flaw(image_format: str) -> None:
    assert flaw(picture(image_format)) is None


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_truncated_picture_is_found_out(image_format: str, kept: int) -> None:
    whole = picture(image_format)

    assert flaw(replace(whole, data=whole.data[:kept])) is not None


def test_a_flipped_byte_in_a_png_is_found_out() -> None:
    whole = picture()
    flipped = bytearray(whole.data)
    flipped[len(flipped) // 2] ^= 1

    assert flaw(replace(whole, data=bytes(flipped))) == "a checksum inside the PNG does not match"


def test_a_wrong_word_about_type_or_size_is_no_flaw_but_is_not_believed() -> None:
    mislabelled = replace(picture("WEBP"), content_type="image/png", width=41)

    assert flaw(mislabelled) is None
    assert type_of(mislabelled.data) == "image/webp"


def test_the_providers_own_checksum_must_match() -> None:
    assert flaw(replace(picture(), sha256="0" * 64)) == "the bytes do not match the provider's own checksum"


def test_an_error_page_is_no_picture() -> None:
    assert flaw(Picture(b"<html>busy</html>", "image/png", 1, 1)) is not None
    assert type_of(b"<html>busy</html>") is None


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    crc = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


PNG, JPEG, WEBP = (picture(name).data for name in ("PNG", "JPEG", "WEBP"))
ODD_FORMS = {
    "JPEG with bytes behind its end": JPEG + b"appended",
    "JPEG with zeros behind its end": JPEG + bytes(64),
    "JPEG with a film behind its end": JPEG + b"\0\0\0\x18ftypmp42" + bytes(100),
    "JPEG with fill bytes before a marker": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "JPEG with fill bytes before its end": JPEG[:-2] + b"\xff\xff" + JPEG[-2:],
    "PNG with a byte behind its end": PNG + b"\n",
    "PNG with a damaged text": PNG[:33] + chunk(b"tEXt", b"Title\0a title", 1) + PNG[33:],
    "WebP with a byte behind its end": WEBP + b"\0",
    "WebP with text behind its end": WEBP + b"appended",
}


@pytest.mark.parametrize("name", ODD_FORMS)
def test_what_the_decoder_reads_has_no_flaw_and_its_sides_are_told(name: str) -> None:
    data = ODD_FORMS[name]
    assert isinstance(normalise(data), Photo)

    assert flaw(Picture(data, "image/png", 40, 30)) is None
    assert sides(data) == (40, 30)


def sound(frames: int = 100) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(struct.pack("<h", 1000) * frames)
    return out.getvalue()


def with_lengths(data: bytes, riff: int, samples: int) -> bytes:
    return data[:4] + struct.pack("<I", riff) + data[8:40] + struct.pack("<I", samples) + data[44:]


STREAMED = {
    f"{riff:#x} and {length:#x}": with_lengths(sound(), riff, length)
    for riff, length in (
        *((0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0), (36, 0)),
        *((0xFFFFFFFF, 200), (0, 200), (0xFFFFFFFF, 0)),
    )
} | {"of a provider": synthesise_tone("Once upon a time.")}


@pytest.mark.parametrize("name", STREAMED)
def test_a_wave_that_was_streamed_is_a_sound_and_is_delivered_with_true_lengths(name: str) -> None:
    data = STREAMED[name]
    assert flaw(Picture(data, "audio/wav")) is None

    for whole in (join_sounds([data], "wav"), with_true_lengths(data)):
        with wave.open(io.BytesIO(whole)) as file:
            assert file.readframes(file.getnframes()) == data[44:]
        assert struct.unpack_from("<I", whole, 4)[0] + 8 == len(whole)


def test_a_wave_that_says_its_lengths_stays_as_it_came() -> None:
    told = sound() + b"LIST\x04\0\0\0INFO"
    told = told[:4] + struct.pack("<I", len(told) - 8) + told[8:]

    assert with_true_lengths(told) == told
    assert read_wave(told).samples == sound()[44:]


SILENT = {
    "no samples": sound(0),
    "no samples, streamed": with_lengths(sound(0), 0xFFFFFFFF, 0xFFFFFFFF),
    "no samples, and a text behind": sound(0) + b"LIST\x04\0\0\0INFO",
    "no samples, and two texts behind": sound(0) + b"LIST\x03\0\0\0odd\0" + b"id3 \x02\0\0\0ab",
    "less than one frame": with_lengths(sound(0), 37, 1) + b"\0",
    "no data": sound()[:36],
    "no format": b"RIFF\xff\xff\xff\xffWAVEdata\x04\0\0\0abcd",
    "cut short": sound()[:-2],
}


@pytest.mark.parametrize("name", SILENT)
def test_a_wave_without_sound_or_cut_short_is_no_success(name: str) -> None:
    assert flaw(Picture(SILENT[name], "audio/wav")) is not None
    with pytest.raises(NotSound):
        join_sounds([SILENT[name]], "wav")
    with pytest.raises(NotSound):
        join_sounds([sound(), SILENT[name]], "wav")


@pytest.mark.parametrize("data", [b"ID3\4\0\0\0\0\0\4abcd", b"ID3\4\0\0\0\0\0\2\xff\xfb"])
def test_an_mp3_of_tags_alone_is_no_success(data: bytes) -> None:
    assert flaw(Picture(data, "audio/mpeg")) is not None
    assert flaw(Picture(data + mp3_frames("a"), "audio/mpeg")) is None


@pytest.mark.parametrize("name", ["no samples", "cut short"])
async def test_a_worker_s_sound_is_delivered_where_there_is_one(name: str) -> None:
    outputs, spec = Outputs("", ImageNormaliser(None)), RenderSpec(kind="narration", audio_format="wav")  # type: ignore[arg-type]

    made, silent = [
        await outputs.outcome(spec, None, Made(status="succeeded", outputs=(Output.model_construct(data=data),)))
        for data in (STREAMED["0xffffffff and 0xffffffff"], SILENT[name])
    ]

    assert isinstance(made, Succeeded) and made.pictures[0].data == sound()
    assert isinstance(silent, Failed)
    outputs.close()
