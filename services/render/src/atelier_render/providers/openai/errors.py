"""What OpenAI's errors mean to us. Their words reach a client only where they are about the client's own request."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import openai

from atelier_render.providers.protocol import Failed, ProviderOutcome, RateLimited, Refused, Transient
from atelier_render.providers.toolkit.http_client import RETRY_AFTER_S_MAX, outcome_of_lost_call, seconds

RETRY_AFTER_S = 10.0
"""Default where a limit is reached without a Retry-After."""
MESSAGE_CHARS_MAX = 300
REFUSED_CODES = frozenset({"moderation_blocked", "content_policy_violation", "content_filter"})
OUR_ACCOUNT = frozenset({"billing_hard_limit_reached", "billing_not_active", "insufficient_quota", "model_not_found"})
"""Said with 400 or 403 about the account that the key belongs to, not about the request."""
COME_AGAIN = frozenset({408, 409, 425})
_SECRET = re.compile(r"\b(sk|org|proj|req)[-_][\w*-]+")


def outcome_of(error: openai.OpenAIError) -> ProviderOutcome:
    """The outcome that an exception of the SDK stands for."""
    match error:
        case openai.APIConnectionError():
            return outcome_of_lost_call(error.__cause__)
        case openai.RateLimitError():
            return _rate_limit_outcome(error)
        case openai.APIStatusError(code=code) if code in OUR_ACCOUNT:
            return Failed("provider_unavailable", f"OpenAI does not serve this account now ({code})")
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return Failed(
                "provider_unavailable", "OpenAI does not accept the key it was given (ATELIER_OPENAI_API_KEY)"
            )
        case openai.NotFoundError():
            return Failed("provider_unavailable", "OpenAI has no such model, or not for the key it was given")
        case openai.APIStatusError(status_code=status) if status >= 500 or status in COME_AGAIN:
            return Transient(f"OpenAI answered {status}")
        case openai.APIStatusError(code=code) if code in REFUSED_CODES:
            return Refused(_words(error) or "OpenAI's content rules do not allow it")
        case openai.APIStatusError(status_code=400 | 413 | 422):
            return Failed("invalid_input", f"OpenAI objects: {_words(error) or 'it gives no reason'}")
        case openai.APIStatusError(status_code=status):
            return Failed("provider_failed", f"OpenAI answered {status}")
        case openai.APIError(code=code) if code in REFUSED_CODES:  # told in a stream
            return Refused(_words(error) or "OpenAI's content rules do not allow it")
        case _:
            return Failed("provider_failed", f"OpenAI's answer could not be understood: {type(error).__name__}")


def _rate_limit_outcome(error: openai.RateLimitError) -> ProviderOutcome:
    if "insufficient_quota" in (error.code, error.type):
        return Failed("provider_unavailable", "OpenAI's quota for the configured key is used up")
    return RateLimited(_retry_after_s(error.response.headers))


def _retry_after_s(headers: Mapping[str, str]) -> float:
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.isdecimal():
        return min(int(milliseconds) / 1_000, RETRY_AFTER_S_MAX)
    after_s = seconds(headers.get("retry-after"), now=datetime.now(UTC))
    return RETRY_AFTER_S if after_s is None else after_s


def _words(error: openai.APIError) -> str:
    """What the API says about the request, without what it may say about us."""
    said = error.body.get("message") if isinstance(error.body, Mapping) else None
    return _SECRET.sub("…", str(said))[:MESSAGE_CHARS_MAX].rstrip(".") if said else ""
