"""What can go wrong, one class for each way to react.

AtelierError
├── ConnectionFailedError        no answer after all retries; a create may be repeated with its ``idempotency_key``
├── UnreadableResponseError      a success that is not JSON: something between us and the service answered
├── WaitTimeoutError             the generation goes on; wait for it again
├── UploadError, DownloadError   the object store refused, or the bytes are not those on record
├── WebhookVerificationError     not signed with this secret, or too old
├── ReceiptVerificationError     not signed by these keys, or changed since
└── ProblemError                 the service refused; nothing was created or charged
    ├── InvalidRequestError          400, 413, 422: change the request
    ├── AuthenticationError          401: change the credential
    ├── InsufficientCreditsError     402: ``required`` and ``available``
    ├── PermissionDeniedError        403
    ├── NotFoundError                404
    ├── ConflictError                409: contradicts the present state
    ├── RateLimitedError             429, after all retries
    └── ServerError                  500, 503, after all retries
"""

from collections.abc import Mapping
from typing import Any

import httpx

from atelier_client.retries import retry_after_s


class AtelierError(Exception):
    """Anything that this client raises."""


class ConnectionFailedError(AtelierError):
    """The service did not answer. ``idempotency_key`` repeats the call safely; None where the call needs none."""

    def __init__(self, message: str, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class UnreadableResponseError(AtelierError):
    """A successful answer is not JSON, so it is hardly the service's: look at ``base_url`` and at proxies.

    Whether the service has done anything is unknown; ``idempotency_key`` repeats a POST safely, None otherwise.
    """

    def __init__(self, message: str, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class WaitTimeoutError(AtelierError):
    """The generation had not ended in time."""

    def __init__(self, generation_id: str, timeout_s: float) -> None:
        super().__init__(f"generation {generation_id} has not ended within {timeout_s:g} s")
        self.generation_id = generation_id


class UploadError(AtelierError):
    """The object store did not take the bytes."""


class DownloadError(AtelierError):
    """An output could not be fetched, or its bytes do not have the checksum on record."""


class WebhookVerificationError(AtelierError):
    """The body was not signed with this secret, or not recently."""


class ReceiptVerificationError(AtelierError):
    """The receipt is not what these keys signed, or does not add up."""


class ProblemError(AtelierError):
    """The service refused (RFC 9457). Branch on ``code``, or on the class."""

    def __init__(self, status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = status
        self.code = str(problem.get("code", f"http_{status}"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.problem = dict(problem)
        self.request_id = headers.get("x-request-id")
        self.retry_after_s = retry_after_s(headers.get("retry-after"))
        super().__init__(f"{status} {self.code}: {self.detail or self.title} (request {self.request_id})")


class InvalidRequestError(ProblemError):
    """The request cannot be done as it stands; ``errors`` names each field where that is known."""

    @property
    def errors(self) -> list[dict[str, str]]:
        """``{"field", "message"}`` of each field that is wrong."""
        return list(self.problem.get("errors", []))


class AuthenticationError(ProblemError):
    """The credential is missing or wrong."""


class InsufficientCreditsError(ProblemError):
    """There are not enough credits."""

    @property
    def required(self) -> int:
        """Credits that the request costs."""
        return int(self.problem.get("required", 0))

    @property
    def available(self) -> int:
        """Credits that there are."""
        return int(self.problem.get("available", 0))


class PermissionDeniedError(ProblemError):
    """The credential is good, but may not do this."""


class NotFoundError(ProblemError):
    """There is no such thing, or it belongs to another owner."""


class ConflictError(ProblemError):
    """The request contradicts the present state."""


class RateLimitedError(ProblemError):
    """Too many requests, or too much is pending."""


class ServerError(ProblemError):
    """The service or a part of it is unavailable."""


BY_STATUS: Mapping[int, type[ProblemError]] = {
    **dict.fromkeys((400, 413, 422), InvalidRequestError),
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that a refusal stands for; its body has been read."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = None
    problem = body if isinstance(body, dict) else {"detail": response.text[:200]}
    return BY_STATUS.get(status, ServerError if status >= 500 else ProblemError)(status, problem, response.headers)
