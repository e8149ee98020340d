"""Verifies webhooks, signed as in Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from typing import cast

from atelier_client.errors import WebhookVerificationError
from atelier_client.models import GenerationEvent

TOLERANCE_S = 300


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance_s: int = TOLERANCE_S, now_s: float | None = None
) -> GenerationEvent:
    """What the service sent. Raises WebhookVerificationError where that cannot be proved.

    ``secret`` is that of the endpoint (``whsec_…``), ``body`` the bytes as they came. The same ``webhook-id`` may come
    again: remember the ids of a day.
    """
    known = {name.lower(): value for name, value in headers.items()}
    id_, timestamp, signatures = (known.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise WebhookVerificationError("webhook-timestamp is missing or malformed")
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > tolerance_s:
        raise WebhookVerificationError(f"webhook-timestamp is more than {tolerance_s} s away from now")
    signed = f"{id_}.{timestamp}.".encode(errors="replace") + body
    expected = b"v1," + base64.b64encode(hmac.digest(_key_of(secret), signed, "sha256"))
    # After a rotation there are two signatures, one with the old secret.
    if not any(hmac.compare_digest(expected, given.encode(errors="replace")) for given in signatures.split(" ")):
        raise WebhookVerificationError("webhook-signature does not fit the secret and the body")
    return cast(GenerationEvent, json.loads(body))


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret is not base64 after whsec_") from None
