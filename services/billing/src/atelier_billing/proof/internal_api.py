"""Billing's internal HTTP API of proofs: the published keys and the receipts."""

import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import SecretStr

from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.receipt_store import SignedReceipt
from atelier_billing.proof.signing_keys import SigningKeys, encode
from atelier_telemetry.operations import require_token


def proof_router(issuer: ReceiptIssuer, keys: SigningKeys, token: SecretStr) -> APIRouter:
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

    return router


def signed_json(receipt: SignedReceipt) -> dict[str, Any]:
    """A receipt beside its signature, which is over the canonical JSON of the receipt."""
    signature = {"alg": "EdDSA", "key_id": receipt.key_id, "value": encode(receipt.signature)}
    return {"receipt": json.loads(receipt.body), "signature": signature}
