"""Tests of the receipt verification: genuine ones pass, altered ones are named."""

import base64
import copy
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from atelier_client import ReceiptVerificationError, verify_receipt

KEY = Ed25519PrivateKey.generate()
PICTURE = b"a picture"
# Canonical as it stands: names in order, nothing between them.
REQUEST = '{"10":1,"9":2,"prompt":"zażółć 🎨","salt":"00","strength":0.8}'


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def keys(key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
    raw = key.public_key().public_bytes_raw()
    return {"keys": [{"kid": "key-1", "kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}]}


def statement() -> dict[str, Any]:
    return {
        "credits": {"captured": 5, "refunded": 0, "reserved": 5, "returned": 0},
        "key_id": "key-1",
        "outcome": "succeeded",
        "outputs": [{"bytes": 9, "media_type": "image/png", "sha256": hashlib.sha256(PICTURE).hexdigest()}],
        "postings": [{"credits": 5, "kind": "reserve"}, {"credits": 5, "kind": "capture"}],
        "request_sha256": hashlib.sha256(REQUEST.encode()).hexdigest(),
        "type": "atelier.receipt.v1",
    }


def signed(receipt: dict[str, Any] | None = None) -> Any:
    receipt = receipt or statement()
    text = json.dumps(receipt, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"alg": "EdDSA", "key_id": receipt["key_id"], "value": base64url(KEY.sign(text))}
    return {"request": json.loads(REQUEST), "signed": {"receipt": receipt, "signature": signature}}


def refused(answer: Any, why: str, known: dict[str, Any] | None = None, **more: Any) -> None:
    with pytest.raises(ReceiptVerificationError, match=why):
        verify_receipt(answer, known or keys(), **more)


def test_a_genuine_receipt_states_what_was_signed_whole_or_only_its_signed_part() -> None:
    whole = signed()

    assert verify_receipt(whole, keys(), outputs=[PICTURE])["outcome"] == "succeeded"
    assert verify_receipt(whole["signed"], keys())["credits"]["captured"] == 5


@pytest.mark.parametrize("name", statement())
def test_every_altered_member_is_found(name: str) -> None:
    altered = signed()
    altered["signed"]["receipt"][name] = {"outputs": [], "postings": [], "credits": {"captured": 4}}.get(name, "x")

    refused(altered, ".")


def test_a_signature_a_key_a_request_or_a_picture_of_another_is_found() -> None:
    asked, garbled = signed(), signed()
    asked["request"]["prompt"] = "another"
    garbled["signed"]["signature"]["value"] = "!"

    refused(signed(), "signature is wrong", keys(Ed25519PrivateKey.generate()))
    refused(signed(), "key key-1 is not among", {"keys": []})
    refused(asked, "request beside it")
    refused(signed() | {"signed": None}, "not signed yet")
    refused(garbled, "not base64url")
    refused(signed(), "output 0 is not one", outputs=[b"x"])
    refused({}, "form of a receipt")


def test_a_receipt_that_does_not_add_up_is_none_whoever_signed_it() -> None:
    unbalanced = copy.deepcopy(statement()) | {"credits": {"captured": 4, "refunded": 0, "reserved": 5, "returned": 0}}

    refused(signed(unbalanced), "not the sum")
    refused(signed(statement() | {"outcome": "failed"}), "charges for what was not delivered")
