"""What goes in is a picture, what comes out is the one that was rendered; anything else is one sentence."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from atelier_local.demo.photos import garment_photo, person_photo
from atelier_local.demo.pictures import read_picture, to_picture, verify_delivered
from atelier_local.errors import AtelierError


def png(size: tuple[int, int], *, flat: bool = False) -> bytes:
    image = Image.new("RGB", size, "white")
    if not flat:
        image.putpixel((0, 0), (0, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_demo_photos_are_pictures_the_api_takes() -> None:
    assert to_picture("person", person_photo()).content_type == "image/png"
    assert to_picture("garment", garment_photo()).content_type == "image/jpeg"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(AtelierError, match=r"^There is no file nowhere/a\.jpg\.$"):
        read_picture(Path("nowhere/a.jpg"))


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture")

    with pytest.raises(AtelierError, match=r"^notes\.jpg is not a JPEG, PNG or WebP picture\.$"):
        read_picture(tmp_path / "notes.jpg")


def test_a_truncated_picture_is_refused_before_it_is_uploaded(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(person_photo()[:1000])

    with pytest.raises(AtelierError, match=r"^half\.png cannot be read as a picture"):
        read_picture(tmp_path / "half.png")


def test_the_type_is_told_from_the_bytes_not_from_the_name(tmp_path: Path) -> None:
    (tmp_path / "mislabelled.jpg").write_bytes(png((200, 200)))

    assert read_picture(tmp_path / "mislabelled.jpg").content_type == "image/png"


def test_a_delivered_picture_is_proven_by_its_checksum() -> None:
    content = png((512, 512))

    assert verify_delivered("it", content, checksum(content)).size == (512, 512)
    with pytest.raises(AtelierError, match="SHA-256 differs"):
        verify_delivered("it", content, checksum(b"another"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(png((16, 16)), "implausible size: 16 × 16"), (png((512, 512), flat=True), "all its pixels have one colour")],
)
def test_a_stamp_and_an_empty_picture_are_no_result(content: bytes, complaint: str) -> None:
    with pytest.raises(AtelierError, match=complaint):
        verify_delivered("it", content, checksum(content))
