"""Helpers of the tests of receipts: keys, ended generations, and the verifying script in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from atelier_billing import handlers
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_contracts import (
    CaptureCredit,
    DeliveredOutput,
    GenerationEnd,
    GrantCredit,
    Message,
    Owner,
    RefundCredit,
    RequestRecord,
    ReserveCredit,
    Work,
    wrap,
)
from atelier_contracts.receipts import EndOutcome
from atelier_messaging import Delivery, UnitOfWork

SCRIPT = Path(__file__).parents[3] / "docs/verify/verify_receipt.py"
ORIGIN = "localhost/atelier/tests"
RECORD = RequestRecord(surface="native", sha256="ab" * 32, requested_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
PICTURE = DeliveredOutput(sha256="cd" * 32, content_type="image/png", size=48_213)


def new_keys() -> SigningKeys:
    return SigningKeys(Ed25519PrivateKey.generate())


def private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def handle(unit: UnitOfWork, *messages: Message) -> None:
    """As the consumer does, in one transaction."""
    deliveries = [Delivery(wrap(message, source="test")) for message in messages]
    async with unit.once("billing.commands", deliveries, dispatch=False) as tx:
        await handlers.handle_commands(tx)


async def owner_with(unit: UnitOfWork, credits: int) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await handle(unit, GrantCredit(grant_id=uuid4(), owner=owner, credits=credits, reason="test"))
    return owner


def reserve(owner: Owner, generation: UUID, n: int = 1) -> ReserveCredit:
    return ReserveCredit(
        generation_id=generation, owner=owner, work=Work(kind="image", n=n, size="512x512"), record=RECORD
    )


def capture(owner: Owner, generation: UUID, delivered: int = 1) -> CaptureCredit:
    return CaptureCredit(
        generation_id=generation, delivered=delivered, end=end(owner, "succeeded", outputs=(PICTURE,) * delivered)
    )


def refund(owner: Owner, generation: UUID, outcome: EndOutcome = "failed", code: str | None = None) -> RefundCredit:
    return RefundCredit(generation_id=generation, end=end(owner, outcome, code=code))


def end(
    owner: Owner, outcome: EndOutcome, *, code: str | None = None, outputs: tuple[DeliveredOutput, ...] = ()
) -> GenerationEnd:
    provider = "local" if outputs else None
    return GenerationEnd(
        owner=owner, kind="image", outcome=outcome, code=code, outputs=outputs, provider=provider, request=RECORD
    )


def run_script(folder: Path, keys: dict[str, Any], answers: Sequence[Any], *options: str) -> tuple[int, str]:
    """Exit status and output of the verifying script for these answers of the API, in an isolated interpreter."""
    (folder / "jwks.json").write_text(json.dumps(keys))
    (folder / "receipts.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    command = [sys.executable, "-I", str(SCRIPT), "--keys", "jwks.json", "receipts.jsonl", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr
