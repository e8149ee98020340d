"""Quotes as their holders get them: a JSON Web Signature in compact form (RFC 7515), signed Ed25519 by the key of the
receipts, so that any JOSE library verifies it with the published keys."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from atelier_billing.proof.signing_keys import PublicKey, SigningKeys, encode
from atelier_billing.quotes import Quote
from atelier_contracts import Owner, Work
from atelier_contracts.canonical_json import canonical_json
from atelier_pricing import Price, book_sha256

QUOTE_TYPE = "atelier-quote+jws"
"""The ``typ`` of the header: no other thing that this key signs has one."""


def sign(keys: SigningKeys, quote: Quote) -> str:
    """The quote as its holder gets it."""
    header = {"alg": "EdDSA", "kid": keys.current.id, "typ": QUOTE_TYPE}
    claims = {
        "jti": str(quote.id),
        "owner": quote.owner.model_dump(mode="json"),
        "work": quote.work.model_dump(mode="json"),
        "unit_credits": quote.price.unit_credits,
        "units": quote.price.units,
        "credits": quote.price.credits,
        "price_book": {"version": quote.price.book, "sha256": book_sha256(quote.price.book)},
        "iat": int(quote.issued_at.timestamp()),
        "exp": int(quote.expires_at.timestamp()),
    }
    signed = ".".join(encode(canonical_json(part)) for part in (header, claims))
    return f"{signed}.{encode(keys.sign(signed.encode()))}"


def read(keys: Sequence[PublicKey], text: str) -> Quote | None:
    """The quote that one of these keys has signed; None for anything else."""
    try:
        signed, _, signature = text.rpartition(".")
        head, _, body = signed.partition(".")
        header = json.loads(_decode(head))
        key = {key.id: key for key in keys}[header["kid"]]
        if (header["alg"], header["typ"]) != ("EdDSA", QUOTE_TYPE):
            return None
        Ed25519PublicKey.from_public_bytes(key.raw).verify(_decode(signature), signed.encode())
        return _quote_of(json.loads(_decode(body)))
    except (InvalidSignature, binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None


def _quote_of(claims: dict[str, Any]) -> Quote:
    return Quote(
        UUID(claims["jti"]),
        Owner.model_validate(claims["owner"]),
        Work.model_validate(claims["work"]),
        Price(claims["unit_credits"], claims["units"], claims["price_book"]["version"]),
        datetime.fromtimestamp(claims["iat"], UTC),
        datetime.fromtimestamp(claims["exp"], UTC),
    )


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
