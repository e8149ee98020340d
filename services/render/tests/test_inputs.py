"""Inputs: an owner's own objects and the public internet; everything else is refused in words a client may read."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import InputRef, Owner
from atelier_render.execution.inputs import InputRefused, Inputs
from atelier_render.providers.protocol import Input
from atelier_storage.keys import upload_key
from atelier_storage.safe_fetcher import SafeFetcher

OWNER = Owner(kind="store", id=uuid4())
OWN_KEY = upload_key("store", OWNER.id, uuid4(), "shirt.png")
FOREIGN_KEY = upload_key("store", uuid4(), uuid4(), "shirt.png")
Load = Callable[[InputRef], Any]


@pytest.fixture
def load(studio: Any) -> Load:
    studio.objects.objects |= {OWN_KEY: b"mine", FOREIGN_KEY: b"theirs"}
    inputs = Inputs(studio.objects, SafeFetcher())
    return lambda reference: inputs.load(OWNER, [reference])


@pytest.mark.parametrize("reference", [{"key": OWN_KEY}, {"url": f"https://our.store/{OWN_KEY}"}])
async def test_an_owners_own_object_is_read_by_key_and_by_our_own_url(load: Load, reference: dict[str, str]) -> None:
    assert await load(InputRef(role="garment", **reference)) == (Input("garment", b"mine"),)


@pytest.mark.parametrize(
    "reference",
    [
        {"key": FOREIGN_KEY},
        {"url": f"https://our.store/{FOREIGN_KEY}"},
        {"key": upload_key("store", OWNER.id, uuid4(), "unknown.png")},
        {"key": f"stores/{OWNER.id}/../{FOREIGN_KEY}"},
        {"url": "https://our.store/"},
    ],
)
async def test_a_foreign_object_is_refused_like_one_that_is_not_there(load: Load, reference: dict[str, str]) -> None:
    refused = await load(InputRef(role="garment", **reference))

    assert refused == InputRefused("input 1 (garment): there is no such object")


async def test_bytes_with_another_digest_than_was_priced_are_refused(load: Load) -> None:
    priced = hashlib.sha256(b"mine").hexdigest()

    assert await load(InputRef(role="garment", key=OWN_KEY, sha256=priced)) == (Input("garment", b"mine"),)
    refused = await load(InputRef(role="text", key=OWN_KEY, sha256=hashlib.sha256(b"less").hexdigest()))
    assert refused == InputRefused("input 1 (text): its bytes are not those that were checked and priced")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://169.254.169.254/latest", "ftp://a.example/x", "nonsense"])
async def test_a_url_that_leads_inside_is_not_fetched(load: Load, url: str) -> None:
    refused = await load(InputRef(role="garment", url=url))

    assert isinstance(refused, InputRefused)


async def test_an_input_that_names_nothing_is_refused(load: Load) -> None:
    assert await load(InputRef(role="mask")) == InputRefused("input 1 (mask): it names neither a key nor a URL")
