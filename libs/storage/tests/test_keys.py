"""Keys: created only here, always under their owner, and no other owner's in any spelling."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_storage.keys import (
    artefact_key,
    belongs_to,
    generation_of,
    is_server_made,
    preview_key,
    safe_filename,
    thumbnail_key,
    upload_key,
)

OWNER = UUID("01990000-0000-7000-8000-000000000001")
OTHER = UUID("01990000-0000-7000-8000-000000000002")
ITEM = UUID("01990000-0000-7000-8000-0000000000aa")
UPLOAD = f"stores/{OWNER}/uploads/{ITEM}/me.jpg"


def test_keys_have_the_shapes_of_the_seed() -> None:
    assert upload_key("store", OWNER, ITEM, "me.jpg") == UPLOAD
    assert upload_key("user", OWNER, ITEM, "me.jpg") == f"users/{OWNER}/uploads/{ITEM}/me.jpg"
    assert artefact_key("workspace", OWNER, ITEM, 0, "png") == f"workspaces/{OWNER}/generated/{ITEM}/1/0.png"


@pytest.mark.parametrize(
    ("kind", "index", "extension", "attempt"),
    [("admin", 0, "png", "1"), ("store", -1, "png", "1"), ("store", 1, "/x", "1"), ("store", 1, "png", "../2")],
)
def test_a_key_that_would_not_be_recognised_is_not_made(kind: str, index: int, extension: str, attempt: str) -> None:
    with pytest.raises(ValueError):
        artefact_key(kind, OWNER, ITEM, index, extension, attempt=attempt)


def test_each_attempt_has_a_folder_of_its_own_and_keys_from_before_there_were_any_still_belong() -> None:
    one, other = (artefact_key("store", OWNER, ITEM, 0, "png", attempt=name) for name in ("1-0a", "1-0b"))
    old = f"stores/{OWNER}/generated/{ITEM}/0.png"

    assert len({one, other, old}) == 3
    assert all(belongs_to(key, "store", OWNER) for key in (one, other, old))


def test_a_thumbnail_lies_beside_its_picture_and_both_tell_their_generation() -> None:
    key = artefact_key("store", OWNER, ITEM, 3, "png", attempt="2-ab")

    assert thumbnail_key(key) == f"stores/{OWNER}/generated/{ITEM}/2-ab/3.thumbnail.webp"
    assert belongs_to(thumbnail_key(key), "store", OWNER)
    assert (generation_of(key), generation_of(thumbnail_key(key)), generation_of(UPLOAD)) == (ITEM, ITEM, None)


def test_a_preview_lies_with_its_generation_under_no_attempt() -> None:
    key = preview_key("store", OWNER, ITEM, 2, "webp")

    assert key == f"stores/{OWNER}/generated/{ITEM}/preview-2.webp"
    assert belongs_to(key, "store", OWNER) and generation_of(key) == ITEM
    for index, extension in ((-1, "png"), (10, "png"), (0, "/x")):
        with pytest.raises(ValueError):
            preview_key("store", OWNER, ITEM, index, extension)


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("photo.JPG", "photo.JPG"),
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\me.png", "me.png"),
        ("été à la plage.webp", "ete-a-la-plage.webp"),
        ("a..b...png", "a.b.png"),
        (".htaccess", "htaccess"),
        ("x\r\nSet-Cookie: a.png", "x-Set-Cookie-a.png"),
        ("%2e%2e%2fx.png", "2e-2e-2fx.png"),
        ("照片", "upload"),
        ("", "upload"),
        ("..", "upload"),
        ("n" * 300 + ".jpeg", "n" * 95 + ".jpeg"),
    ],
)
def test_a_filename_is_reduced_to_safe_characters(filename: str, safe: str) -> None:
    assert safe_filename(filename) == safe


@given(filename=st.text(st.characters(), max_size=300))
def test_any_filename_gives_a_key_that_belongs_to_its_owner(filename: str) -> None:
    key = upload_key("store", OWNER, ITEM, filename)

    assert belongs_to(key, "store", OWNER)
    assert len(key.rsplit("/", 1)[1]) <= 100


def test_a_key_belongs_to_its_owner_only() -> None:
    assert belongs_to(UPLOAD, "store", OWNER)

    assert not belongs_to(UPLOAD, "store", OTHER)
    assert not belongs_to(UPLOAD, "user", OWNER)


@pytest.mark.parametrize(
    "key",
    [
        f"stores/{OWNER}/uploads/{ITEM}/../../../{OTHER}/uploads/{ITEM}/me.jpg",
        f"stores/{OWNER}/../{OTHER}/uploads/{ITEM}/me.jpg",
        f"stores/{OWNER}/uploads/{ITEM}/..",
        f"stores/{OWNER}/uploads/{ITEM}/%2e%2e",
        f"stores/{OWNER}%2Fuploads/{ITEM}/me.jpg",
        f"stores//{OWNER}/uploads/{ITEM}/me.jpg",
        f"/stores/{OWNER}/uploads/{ITEM}/me.jpg",
        f"stores/{OWNER}/uploads/{ITEM}/me.jpg\n",
        f"stores/{OWNER}/uploads/{ITEM}/me.jpg\x00",
        f"stores/{OWNER}/uploads/{ITEM}/sub/me.jpg",
        f"stores/{OWNER}/uploads/{ITEM}\\me.jpg",
        f"stores/{OWNER}/uploads/{ITEM}/",
        f"stores/{OWNER}/",
        f"stores/{str(OWNER).upper()}/uploads/{ITEM}/me.jpg".replace("01990000", "0199ABCD"),
        f"STORES/{OWNER}/uploads/{ITEM}/me.jpg",
        f"stores/{OWNER}/generated/{ITEM}/0.png/../1.png",
        f"stores/{OWNER}/generated/{ITEM}/\uff10.png",
        f"stores/{OWNER}/generated/{ITEM}/../0.png",
        f"stores/{OWNER}/generated/{ITEM}/1/1/0.png",
        "",
    ],
)
def test_a_key_of_any_other_shape_belongs_to_nobody(key: str) -> None:
    assert not is_server_made(key)
    assert not belongs_to(key, "store", OWNER)
