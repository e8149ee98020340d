"""Client of the Atelier API: create generations, follow them, fetch what they made, read what they cost.

``Atelier`` blocks, ``AsyncAtelier`` awaits; both have the same methods. What is sent and received are plain
dictionaries, typed in ``atelier_client.models``; dates are ISO 8601 texts, credits whole numbers.
"""

from atelier_client import models
from atelier_client._async.client import AsyncAtelier
from atelier_client._sync.client import Atelier
from atelier_client.errors import (
    AtelierError,
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    DownloadError,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProblemError,
    RateLimitedError,
    ReceiptVerificationError,
    ServerError,
    UnreadableResponseError,
    UploadError,
    WaitTimeoutError,
    WebhookVerificationError,
)
from atelier_client.events import Event
from atelier_client.receipts import verify_receipt
from atelier_client.retries import RetryPolicy
from atelier_client.webhooks import verify_webhook

__all__ = [
    "AsyncAtelier",
    "Atelier",
    "AtelierError",
    "AuthenticationError",
    "ConflictError",
    "ConnectionFailedError",
    "DownloadError",
    "Event",
    "InsufficientCreditsError",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProblemError",
    "RateLimitedError",
    "ReceiptVerificationError",
    "RetryPolicy",
    "ServerError",
    "UnreadableResponseError",
    "UploadError",
    "WaitTimeoutError",
    "WebhookVerificationError",
    "models",
    "verify_receipt",
    "verify_webhook",
]
