"""The lines of a statement: canonical JSON, of which the last signs the SHA-256 of all others. Pure."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from atelier_billing.books import Account
from atelier_billing.proof.receipt_store import SignedReceipt
from atelier_billing.proof.receipts import timestamp
from atelier_billing.proof.signing_keys import SigningKeys, encode
from atelier_billing.usage import AMOUNTS, Period
from atelier_contracts import Owner
from atelier_contracts.canonical_json import canonical_json

STATEMENT_TYPE, END_TYPE, USAGE_TYPE = "atelier.statement.v1", "atelier.statement_end.v1", "atelier.usage.v1"


class StatementLines:
    """The lines of one statement, hashed as they are made."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys
        self._hash = sha256()
        self.count = 0

    def add(self, body: bytes) -> bytes:
        """One line of it."""
        line = body + b"\n"
        self._hash.update(line)
        self.count += 1
        return line

    def sign(self, closing: Mapping[str, int]) -> bytes:
        """The last line."""
        end = {
            "type": END_TYPE,
            "closing": shown_balances(closing),
            "lines": self.count,
            "sha256": self._hash.hexdigest(),
            "key_id": self._keys.current.id,
        }
        signature = {
            "alg": "EdDSA",
            "key_id": self._keys.current.id,
            "value": encode(self._keys.sign(canonical_json(end))),
        }
        return canonical_json({"signature": signature, "statement": end}) + b"\n"


def header_line(
    owner: Owner, period: Period, opening: Mapping[str, int], *, is_over: bool, issued_at: datetime, log: str
) -> bytes:
    """The first line: whose statement it is, of which period, and what there was before it."""
    return canonical_json(
        {
            "type": STATEMENT_TYPE,
            "owner": {"kind": owner.kind, "id": str(owner.id)},
            **({"test": True} if owner.is_test else {}),
            "from": timestamp(period.since),
            "to": timestamp(period.until),
            "complete": is_over,
            "issued_at": timestamp(issued_at),
            "opening": shown_balances(opening),
            "log": log,
        }
    )


def receipt_line(receipt: SignedReceipt) -> bytes:
    """A receipt as it was signed, beside its signature."""
    signature = {"alg": "EdDSA", "key_id": receipt.key_id, "value": encode(receipt.signature)}
    return b'{"receipt":' + receipt.body.encode() + b',"signature":' + canonical_json(signature) + b"}"


def usage_line(sums: Mapping[str, Any]) -> bytes:
    """What one group of generations comes to."""
    amounts = {name: int(sums[name]) for name in AMOUNTS}
    return canonical_json(
        {
            "type": USAGE_TYPE,
            "day": sums["day"].isoformat() if sums["day"] else None,
            "key": str(sums["key"]) if sums["key"] else None,
            "kind": sums["kind"],
            "model": sums["model"],
            **amounts,
            "charged": amounts["captured"] - amounts["returned"],
        }
    )


def shown_balances(balances: Mapping[str, int]) -> dict[str, int]:
    """As an owner knows them: what was granted is not below zero."""
    return {name.value: abs(balances[name]) for name in Account}
