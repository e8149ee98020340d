"""Ancillary data never refuses a picture, and every refusal has our own text."""

import struct
import warnings
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import ImageRefused

from .conftest import encode_image
from .support.image_files import chunk, png, profile_chunk, with_chunks, with_segments

pillow_heif.register_heif_opener()

RED_LEFT = np.full((16, 32, 3), 255, np.uint8)
RED_LEFT[:, :8] = (220, 30, 40)
PICTURE = Image.fromarray(RED_LEFT)
PNG, JPEG = png(RED_LEFT, 2), encode_image(PICTURE, "JPEG", quality=95, subsampling=0)
GARBAGE = b"garbage that is no TIFF" * 10
TURNED = 6


def exif(kind: int, value: bytes, *, little: bool = False) -> bytes:
    """EXIF of one tag, the orientation, as a value of any type."""
    spec = "<" if little else ">"
    head = (b"II" if little else b"MM") + struct.pack(f"{spec}HI", 42, 8)
    return head + struct.pack(f"{spec}HHHI", 1, 0x0112, kind, 1) + value.ljust(4, b"\0") + bytes(4)


def long8_beside_the_orientation() -> bytes:
    """A tag of a type that BigTIFF alone knows, in front of a valid orientation."""
    entries = struct.pack(">HHII", 0x0100, 16, 1, 38) + struct.pack(">HHIHH", 0x0112, 3, 1, TURNED, 0)
    return b"MM" + struct.pack(">HIH", 42, 8, 2) + entries + bytes(4) + struct.pack(">Q", 1 << 40)


def maker() -> bytes:
    """EXIF that encoders keep."""
    tags = Image.Exif()
    tags[0x010F] = "a maker"
    return tags.tobytes()


def text(keyword: bytes, words: bytes) -> bytes:
    return chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(words))


def raw_profile(data: bytes) -> bytes:
    return b"\nexif\n" + b"%8d\n" % len(data) + data.hex().encode() + b"\n"


TAKEN = {
    "2 MB of packed text": with_chunks(PNG, text(b"workflow", b"x" * 2_000_000)),
    "2 MB of packed international text": with_chunks(
        PNG, chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000))
    ),
    "80 MB of text": with_chunks(PNG, *(text(b"part", b"x" * 20_000_000) for _ in range(4))),
    "text that cannot be unpacked": with_chunks(PNG, chunk(b"zTXt", b"workflow\0\0nonsense")),
    "text without a keyword": with_chunks(PNG, chunk(b"tEXt", b""), chunk(b"iTXt", b"\0"), chunk(b"zTXt", b"")),
    "a profile of 3 MB": with_chunks(PNG, profile_chunk(bytes(3_000_000))),
    "a profile of 100 MB": with_chunks(PNG, profile_chunk(bytes(100_000_000))),
    "a profile without a name": with_chunks(PNG, chunk(b"iCCP", b"")),
    "a profile packed in no known way": with_chunks(PNG, chunk(b"iCCP", b"icc\0\7" + zlib.compress(b"profile"))),
    "EXIF that is none": with_chunks(PNG, chunk(b"eXIf", GARBAGE)),
    "EXIF of one byte": with_chunks(PNG, chunk(b"eXIf", b"M")),
    "a raw profile that is none": with_chunks(PNG, text(b"Raw profile type exif", b"\nexif\n  20\nzz")),
    "a raw profile without end": with_chunks(PNG, text(b"Raw profile type APP1", b"\nexif\n 999999\n45")),
    "a damaged checksum of text": with_chunks(PNG, chunk(b"tEXt", b"Title\0a title", crc=1)),
    "a damaged checksum of a profile": with_chunks(PNG, chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"icc"), crc=1)),
    "a damaged checksum of a time": with_chunks(PNG, chunk(b"tIME", bytes(7), crc=1)),
    "short ancillary chunks": with_chunks(
        PNG, *(chunk(kind, b"") for kind in (b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"acTL", b"bKGD", b"tIME"))
    ),
    "an animation of no frames": with_chunks(PNG, chunk(b"acTL", bytes(8))),
    "PNG with bytes behind its end": PNG + b"appended" * 100,
    "JPEG with EXIF that is none": with_segments(JPEG, (0xE1, b"Exif\0\0" + GARBAGE)),
    "JPEG with EXIF cut short": with_segments(JPEG, (0xE1, b"Exif\0\0MM\0*")),
    "JPEG with half a profile": with_segments(JPEG, (0xE2, b"ICC_PROFILE\0\1\2half of it")),
    "JPEG with a profile without parts": with_segments(JPEG, (0xE2, b"ICC_PROFILE\0\0\0"), (0xE2, b"ICC_PROFILE\0")),
    "JPEG with broken Photoshop data": with_segments(JPEG, (0xED, b"Photoshop 3.0\08BIM\4\4\xff\xff")),
    "JPEG with a broken list of pictures": with_segments(JPEG, (0xE2, b"MPF\0" + GARBAGE)),
    "JPEG with XMP that is none": with_segments(JPEG, (0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe<<")),
    "JPEG with a video behind it": JPEG + b"\0\0\0\x18ftypmp42" + bytes(5000),
    "JPEG with fill bytes": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "WebP with EXIF that is none": encode_image(PICTURE, "WEBP", lossless=True, exif=GARBAGE),
    "WebP with a profile that is none": encode_image(PICTURE, "WEBP", lossless=True, icc_profile=GARBAGE),
    "AVIF with a profile that is none": encode_image(PICTURE, "AVIF", quality=100, icc_profile=GARBAGE),
    "AVIF with EXIF that is none": encode_image(PICTURE, "AVIF", quality=100, exif=maker()).replace(b"MM\0*", b"XX\0*"),
    "HEIC with EXIF that is none": encode_image(PICTURE, "HEIF", quality=100, exif=b"Exif\0\0" + GARBAGE),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_picture_is_taken_whatever_is_written_beside_it(name: str) -> None:
    photo = normalise(TAKEN[name])

    assert isinstance(photo, Photo), photo
    assert photo.rgb.shape == (16, 32, 3)
    assert np.abs(photo.rgb[8, 2].astype(int) - (220, 30, 40)).max() <= 8


TURNS = {
    "short": exif(3, struct.pack(">H", TURNED)),
    "short, little-endian": exif(3, struct.pack("<H", TURNED), little=True),
    "long": exif(4, struct.pack(">I", TURNED)),
    "byte": exif(1, bytes([TURNED])),
    "beside a tag of an odd type": long8_beside_the_orientation(),
}


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("carrier", ["PNG", "PNG's raw profile", "JPEG", "WebP"])
def test_an_orientation_counts_in_every_type_and_place_that_it_is_told_in(carrier: str, name: str) -> None:
    told = TURNS[name]
    data = {
        "PNG": with_chunks(PNG, chunk(b"eXIf", told)),
        "PNG's raw profile": with_chunks(PNG, text(b"Raw profile type exif", raw_profile(b"Exif\0\0" + told))),
        "JPEG": with_segments(JPEG, (0xE1, b"Exif\0\0" + told)),
        "WebP": encode_image(PICTURE, "WEBP", lossless=True, exif=told),
    }[carrier]

    photo = normalise(data)

    assert isinstance(photo, Photo), photo
    assert photo.rgb.shape == (32, 16, 3)
    assert photo.rgb[2, 8, 1] < 100  # what lay at the left is above


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_turns_nothing(value: int) -> None:
    photo = normalise(with_chunks(PNG, chunk(b"eXIf", exif(3, struct.pack(">H", value)))))

    assert isinstance(photo, Photo)
    assert photo.rgb.shape == (16, 32, 3)


BROKEN = {
    "PNG of a hostile chunk": PNG[:33] + chunk(b"IDAT", b"nonsense") + chunk(b"IEND", b""),
    "PNG with a damaged header": PNG[:30] + b"\0\0\0" + PNG[33:],
    "PNG that begins otherwise": PNG[:8] + chunk(b"IDAT", b"") + PNG[8:],
    "JPEG of nonsense": b"\xff\xd8\xff\xe0\0\4ab\xff\xd9",
    "WebP of nonsense": b"RIFF\x10\0\0\0WEBPVP8 nonsense",
    "GIF of nonsense": b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\1\xff\0;",
    "HEIC of nonsense": b"\0\0\0\x14ftypheic\0\0\0\0mif1\0\0\0\x10meta\0\0\0\0\0\0\0\0\0\0\0\x08mdat",
    "AVIF of nonsense": b"\0\0\0\x14ftypavif\0\0\0\0mif1\0\0\0\x10meta\0\0\0\0\0\0\0\0\0\0\0\x08mdat",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_decoded_is_refused_in_our_words_the_same_each_time(name: str) -> None:
    refusals = {normalise(BROKEN[name]) for _ in range(3)}

    refused = refusals.pop()
    assert not refusals
    assert isinstance(refused, ImageRefused)
    assert refused.message in {f"The {kind} image cannot be decoded." for kind in ("PNG", "JPEG", "WEBP", "GIF")} | {
        "The HEIC image cannot be decoded.",
        "The AVIF image cannot be decoded.",
        f"The {name.split()[0].upper()} image is truncated.",
    }


def test_no_warning_of_a_library_reaches_the_log() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(isinstance(normalise(data), Photo) for data in TAKEN.values())
