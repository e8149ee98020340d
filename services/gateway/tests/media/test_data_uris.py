"""Data URIs: what is read, and what is refused."""

import base64

import pytest

from atelier_gateway.media import data_uris
from atelier_gateway.media.data_uris import DataUriRefused

PNG = b"\x89PNG\r\n\x1a\nrest"


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpg", "webp", "PNG"])
def test_a_data_uri_gives_its_bytes(kind: str) -> None:
    assert data_uris.read(uri(PNG, kind), bytes_max=100) == PNG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data:",
        "data:image/png,abc",
        "data:image/svg+xml;base64,YWJj",
        "data:text/html;base64,YWJj",
        "data:image/png;charset=utf-8;base64,YWJj",
        "data:image/png;base64,",
        "data:image/png;base64,YWJ",
        "data:image/png;base64,YW Jj",
        "data:image/png;base64,YWJj\n",
        "data:image/png;base64,YWJj====",
        "data:image/png;base64,YW-_",
        "data:image/png;base64,YWJjé",
        " data:image/png;base64,YWJj",
        "https://cdn.net/a.png",
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str) -> None:
    assert isinstance(data_uris.read(text, bytes_max=100), DataUriRefused)


def test_exactly_as_many_bytes_as_allowed_pass_and_one_more_is_refused() -> None:
    for size in (97, 98, 99, 100):
        assert data_uris.read(uri(b"x" * size), bytes_max=size) == b"x" * size
        refused = data_uris.read(uri(b"x" * (size + 1)), bytes_max=size)
        assert isinstance(refused, DataUriRefused) and str(size) in refused.message
