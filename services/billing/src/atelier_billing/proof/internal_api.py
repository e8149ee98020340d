"""Billing's internal HTTP API of proofs: the published keys, the receipts, the log."""

import base64
import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, SecretStr

from atelier_billing.proof import log_proofs, log_store
from atelier_billing.proof.checkpoints import BadCheckpoint, open_checkpoint
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.log_proofs import NotInTree
from atelier_billing.proof.log_verification import verify_log
from atelier_billing.proof.receipt_store import SignedReceipt
from atelier_billing.proof.sequencer import LogSequencer
from atelier_billing.proof.signing_keys import SigningKeys, encode
from atelier_billing.proof.verification_job import LogVerificationJob
from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token


class LogToVerify(BaseModel):
    """The checkpoint that was kept outside; None: the one in the configured file, if there is one."""

    checkpoint: str | None = None


def proof_router(
    pool: Pool,
    issuer: ReceiptIssuer,
    keys: SigningKeys,
    sequencer: LogSequencer,
    verification: LogVerificationJob,
    token: SecretStr,
) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/keys")
    async def published_keys() -> dict[str, Any]:
        return keys.jwks()

    @router.get("/receipts/{generation_id}")
    async def receipt(generation_id: UUID) -> dict[str, Any]:
        found = await issuer.find(generation_id)
        if found is None:
            raise HTTPException(404, "billing has no receipt for this generation")
        return signed_json(found)

    @router.get("/log/checkpoint")
    async def checkpoint() -> dict[str, str]:
        note = await log_proofs.latest_checkpoint(pool)
        if note is None:
            raise HTTPException(404, "the log has no checkpoint yet")
        return {"checkpoint": note}

    @router.get("/log/inclusion/{entry_id}")
    async def inclusion(entry_id: UUID) -> dict[str, Any]:
        try:
            return await log_proofs.prove_inclusion(pool, entry_id)
        except NotInTree as error:
            raise HTTPException(404, str(error)) from error

    @router.get("/log/consistency")
    async def consistency(old: int, new: int | None = None) -> dict[str, Any]:
        try:
            return await log_proofs.prove_consistency(pool, old, new)
        except NotInTree as error:
            raise HTTPException(404, str(error)) from error

    @router.post("/log/verify")
    async def log_verify(given: LogToVerify) -> dict[str, Any]:
        return await _verify(pool, keys, sequencer, given.checkpoint)

    _add_verifications(router, pool, sequencer, verification)
    return router


def _add_verifications(
    router: APIRouter, pool: Pool, sequencer: LogSequencer, verification: LogVerificationJob
) -> None:
    @router.get("/log/status")
    async def log_status() -> dict[str, Any]:
        """Entries, the last signed checkpoint, what the stores outside hold, and the verifications."""
        async with pool.acquire() as connection:
            size = await log_store.size_of_log(connection)
            checkpoint = await log_store.latest_checkpoint(connection)
        signed = checkpoint[0] if checkpoint else None
        outside = await sequencer.describe_outside()
        return {"size": size, "signed_size": signed, "outside": outside, **await verification.status()}

    @router.post("/log/verifications", status_code=202)
    async def start_verification() -> dict[str, Any]:
        """Starts a verification as a job; the one that is running where there is one."""
        return await verification.start()


async def _verify(pool: Pool, keys: SigningKeys, sequencer: LogSequencer, given: str | None) -> dict[str, Any]:
    outside, violations = None, []
    try:
        if given is None:
            outside = max(await sequencer.open_outside(), key=lambda each: each.size, default=None)
        else:
            outside = open_checkpoint(given, sequencer.origin, keys.public)
    except BadCheckpoint as error:
        violations.append(f"the checkpoint outside: {error}")
    async with pool.acquire() as connection:
        result = await verify_log(connection, keys.public, outside)
    violations += result.violations
    return {
        "ok": not violations,
        "size": result.size,
        "root": base64.b64encode(result.root).decode(),
        "compared_size": outside.size if outside else None,
        "violations": violations,
    }


def signed_json(receipt: SignedReceipt) -> dict[str, Any]:
    """A receipt beside its signature, which is over the canonical JSON of the receipt."""
    signature = {"alg": "EdDSA", "key_id": receipt.key_id, "value": encode(receipt.signature)}
    return {"receipt": json.loads(receipt.body), "signature": signature}
