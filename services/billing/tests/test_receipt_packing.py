"""A receipt comes back as the bytes that were signed, whatever is in it, in every later version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_billing.proof.receipt_packing import pack, unpack
from atelier_billing.proof.receipt_store import body_of
from atelier_contracts.canonical_json import canonical_json

RECEIPT = {
    "type": "atelier.receipt.v1", "id": "01a22a3a-045a-7242-9ba3-8babf3804703", "number": 1, "kind": "try_on",
    "generation_id": "01a22a3a-045a-7242-9ba3-8ba626c28788", "outcome": "succeeded", "code": None, "reused": False,
    "owner": {"kind": "store", "id": "01a22a3a-045a-7242-9ba3-8ba70ba12502"}, "provider": "local", "model": None,
    "ended_at": "2026-11-30T02:12:55.002528Z", "log": "example.com/atelier", "key_id": "pXz3",
}  # fmt: skip
STORED_BY_VERSION_1 = bytes.fromhex(
    "0195d3c10ac2300cc6f127ca4cbf346ddc93784d659e1cec38e6cbdb83a09556f01e48c29fdfa301d80042a21048ea42cc01"
    "b36a5d0885f51939e0e2c4519d3222e85c5cc88a27a42b2c9bbd030c67cb4d8c6366f9a4b85d0e19725c765fb7fb325578a7"
    "d77fff0bfd72343c2f73f10065f4a4f50237557e547802"
)


@given(st.binary(max_size=9_000))
def test_any_bytes_come_back(body: bytes) -> None:
    assert unpack(pack(body)) == body


def test_what_version_1_stored_is_read_for_ever() -> None:
    assert json.loads(unpack(STORED_BY_VERSION_1)) == RECEIPT
    assert unpack(STORED_BY_VERSION_1) == canonical_json(RECEIPT)


def test_a_receipt_takes_less_than_a_third_of_its_json() -> None:
    body = canonical_json(RECEIPT)

    assert len(pack(body)) < len(body) / 3


@pytest.mark.parametrize(
    "stored",
    [b"", b"\x01", b"\x00", b"\xff" + STORED_BY_VERSION_1[1:], STORED_BY_VERSION_1[:-1], STORED_BY_VERSION_1 + b"x"],
    ids=["empty", "no_data", "version_0", "unknown_version", "cut_off", "prolonged"],
)
def test_what_cannot_be_read_is_no_receipt(stored: bytes) -> None:
    with pytest.raises(ValueError, match="packed receipt"):
        unpack(stored)


def test_a_stored_receipt_that_cannot_be_read_is_taken_as_it_is() -> None:
    """So a proof names it, as it names every altered one: it is not what was signed, and no error ends the proof."""
    assert body_of({"body": None, "packed": b"garbled"}) == b"garbled"
    assert body_of({"body": "{}", "packed": None}) == b"{}"
    assert body_of({"body": None, "packed": STORED_BY_VERSION_1}) == canonical_json(RECEIPT)
