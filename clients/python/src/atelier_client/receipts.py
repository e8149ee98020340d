"""Verifies receipts offline: an Ed25519 signature over canonical JSON. Needs the extra ``atelier-client[receipts]``."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from atelier_client.errors import ReceiptVerificationError
from atelier_client.models import Receipt, ReceiptStatement, SignedReceipt

TYPE = "atelier.receipt.v1"
AMOUNTS = {"reserve": "reserved", "capture": "captured", "refund": "refunded", "return": "returned"}
"""Kinds of postings, and the sum of the receipt that each adds up to."""


def verify_receipt(
    answer: Receipt | SignedReceipt, keys: Mapping[str, Any], *, outputs: Iterable[bytes] = ()
) -> ReceiptStatement:
    """What the receipt states. Raises ReceiptVerificationError where that is not proved.

    ``answer`` is that of ``receipt(id)``, or its member ``signed``; ``keys`` is the JSON of ``/.well-known/jwks.json``:
    keep a copy of your own, it is what you trust. A request beside the receipt has to be the one that was made, and
    each of ``outputs`` has to be one that was delivered. No connection is opened.
    """
    try:
        return _verify(cast(Mapping[str, Any], answer), keys, outputs)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReceiptVerificationError(f"it has not the form of a receipt: {error!r}") from error


def _verify(answer: Mapping[str, Any], keys: Mapping[str, Any], outputs: Iterable[bytes]) -> ReceiptStatement:
    if "signed" in answer and answer["signed"] is None:
        raise ReceiptVerificationError("it is not signed yet: the generation has not ended")
    signed = answer.get("signed") or answer
    receipt, signature = signed["receipt"], signed["signature"]
    _require(receipt["type"] == TYPE, f"its type {receipt['type']!r} is not known to this version")
    _require(signature["alg"] == "EdDSA", "it is not signed with Ed25519")
    _require(signature["key_id"] == receipt["key_id"], "it names another key than its signature")
    _check_signature(_find_key(keys, receipt["key_id"]), _decode(signature["value"]), _canonical(receipt))
    _check_credits(receipt)
    document = answer.get("request") if "signed" in answer else None
    if document is not None:
        digest = hashlib.sha256(_canonical(document)).hexdigest()
        _require(digest == receipt["request_sha256"], "the request beside it is not the one that was made")
    delivered = {output["sha256"] for output in receipt["outputs"]}
    for number, data in enumerate(outputs):
        is_one = hashlib.sha256(data).hexdigest() in delivered
        _require(is_one, f"output {number} is not one of those that were delivered")
    return cast(ReceiptStatement, receipt)


def _check_credits(receipt: Mapping[str, Any]) -> None:
    sums = dict.fromkeys(AMOUNTS.values(), 0)
    for posting in receipt["postings"]:
        _require(posting["credits"] > 0, "a posting moves no credits")
        sums[AMOUNTS[posting["kind"]]] += posting["credits"]
    _require(sums == receipt["credits"], "its credits are not the sum of its postings")
    _require(sums["captured"] + sums["refunded"] == sums["reserved"], "credits are neither charged nor refunded")
    _require(sums["returned"] <= sums["captured"], "more is returned than was charged")
    _require(receipt["outcome"] == "succeeded" or not sums["captured"], "it charges for what was not delivered")


def _find_key(keys: Mapping[str, Any], key_id: str) -> bytes:
    for key in keys["keys"]:
        if (key.get("kid"), key.get("kty"), key.get("crv")) == (key_id, "OKP", "Ed25519"):
            return _decode(key["x"])
    raise ReceiptVerificationError(f"its key {key_id} is not among those given")


def _check_signature(key: bytes, signature: bytes, data: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise ImportError("verify_receipt needs the package cryptography: install atelier-client[receipts]") from error
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except InvalidSignature:
        raise ReceiptVerificationError("the signature is wrong") from None


def _canonical(value: object) -> bytes:
    """Canonical JSON (RFC 8785) of the values that receipts and requests have."""

    def plain(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {name: plain(item[name]) for name in sorted(item, key=lambda name: name.encode("utf-16-be"))}
        if isinstance(item, list):
            return [plain(each) for each in item]
        return int(item) if isinstance(item, float) and item.is_integer() else item

    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _decode(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        data = b""
    same = base64.urlsafe_b64encode(data).decode().rstrip("=") == text
    _require(bool(data) and same, f"{text[:20]!r} is not base64url")
    return data


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise ReceiptVerificationError(fault)
