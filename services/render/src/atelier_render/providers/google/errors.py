"""What Google's errors and answers mean to us. Its words reach a client only where they are about their own request."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.genai import errors, types

from atelier_render.providers.protocol import Failed, ProviderOutcome, RateLimited, Refused, Transient
from atelier_render.providers.toolkit.http_client import RETRY_AFTER_S_MAX

RETRY_AFTER_S = 10.0
"""Default where a limit is reached without a Retry-After."""
MESSAGE_CHARS_MAX = 300
COME_AGAIN = frozenset({408, 409, 425, 499})
REFUSING = frozenset(
    {
        *(types.FinishReason.SAFETY, types.FinishReason.RECITATION, types.FinishReason.BLOCKLIST),
        *(types.FinishReason.PROHIBITED_CONTENT, types.FinishReason.SPII, types.FinishReason.IMAGE_SAFETY),
        *(types.FinishReason.IMAGE_PROHIBITED_CONTENT, types.FinishReason.IMAGE_RECITATION),
    }
)
NOT_ACCEPTED = Failed("provider_unavailable", "Google does not accept the key it was given (ATELIER_GOOGLE_API_KEY)")
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


def outcome_of(error: errors.APIError) -> ProviderOutcome:
    """The outcome that an error answer stands for."""
    match error.code:
        case 429:
            return _rate_limit_outcome(error)
        case 401 | 403:
            return NOT_ACCEPTED
        case 404:
            return Failed("provider_unavailable", "Google has no such model, or not for the key it was given")
        case 400 if "API key" in (error.message or ""):
            return NOT_ACCEPTED
        case 400 if error.status == "FAILED_PRECONDITION":
            return Failed("provider_unavailable", "Google does not serve this account here; its billing may be off")
        case 400 | 413 | 422:
            said = (error.message or "it gives no reason")[:MESSAGE_CHARS_MAX].rstrip(".")
            return Failed("invalid_input", f"Google objects: {said}")
        case code if code >= 500 or code in COME_AGAIN:
            return Transient(f"Google answered {code}")
        case code:
            return Failed("provider_failed", f"Google answered {code}")


def without_picture(answer: types.GenerateContentResponse) -> ProviderOutcome:
    """Why an answer brings no picture."""
    blocked = answer.prompt_feedback.block_reason if answer.prompt_feedback else None
    if blocked is not None:
        return Refused(f"Google's content rules do not allow it ({_word(blocked)})")
    reason = answer.candidates[0].finish_reason if answer.candidates else None
    if reason in REFUSING:
        return Refused(f"Google's content rules held the picture back ({_word(reason)})")
    said = f" ({_word(reason)})" if reason else ""
    return Failed("provider_failed", f"Google made no picture{said}")


def _rate_limit_outcome(error: errors.APIError) -> ProviderOutcome:
    """A limit a minute passes by itself; one a day is the operator's business."""
    for detail in _details(error):
        kind = str(detail.get("@type", ""))
        if kind.endswith("QuotaFailure") and "PerDay" in str(detail.get("violations")):
            return Failed("provider_unavailable", "Google's quota for the configured key is used up")
    for detail in _details(error):
        delay = _DELAY.fullmatch(str(detail.get("retryDelay", "")))
        if delay:
            return RateLimited(min(float(delay[1]), RETRY_AFTER_S_MAX))
    return RateLimited(RETRY_AFTER_S)


def _details(error: errors.APIError) -> Iterator[Mapping[str, Any]]:
    body = error.details if isinstance(error.details, Mapping) else {}
    inner = body.get("error", body)
    details = inner.get("details") if isinstance(inner, Mapping) else None
    yield from (detail for detail in details or () if isinstance(detail, Mapping))


def _word(reason: types.FinishReason | types.BlockedReason | None) -> str:
    return str(reason.value if reason else "").lower().replace("_", " ")
