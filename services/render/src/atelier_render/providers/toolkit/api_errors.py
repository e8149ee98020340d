"""What it means that a service does not take a submission, by its HTTP status; words and types are each service's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from atelier_render.providers.protocol import Failed, ProviderOutcome, RateLimited, Transient
from atelier_render.providers.toolkit.api_connection import ApiAnswer
from atelier_render.providers.toolkit.http_client import seconds

RETRY_AFTER_S = 10.0
"""Default where a limit is reached without a word of when it ends."""
MESSAGE_CHARS_MAX = 300
COME_AGAIN = frozenset({408, 409, 425, 499})
OBJECTIONS = frozenset({400, 413, 422})
"""Statuses that blame the request."""


@dataclass(frozen=True, slots=True)
class ApiService:
    """A service as operators and clients know it."""

    title: str
    key_variable: str

    def rejection(self, answer: ApiAnswer, words: str, *, retry_after_s: float = RETRY_AFTER_S) -> ProviderOutcome:
        """The outcome of a submission that was answered so: it was not taken. ``words`` are shown to the client where
        they are about the request; ``retry_after_s`` is for an answer without a Retry-After."""
        match answer.status:
            case 429:
                after_s = seconds(answer.headers.get("retry-after"), now=datetime.now(UTC))
                return RateLimited(retry_after_s if after_s is None else after_s)
            case 402:
                return self.out_of_credit()
            case 401 | 403:
                return Failed("provider_unavailable", f"{self.title} does not accept the key ({self.key_variable})")
            case 404:
                return Failed(
                    "provider_unavailable", f"{self.title} has no such model, or not for the key it was given"
                )
            case status if status >= 500 or status in COME_AGAIN:
                return Transient(f"{self.title} answered {status}")
            case status if status in OBJECTIONS:
                return self.objection(words)
            case status:
                return Failed("provider_failed", f"{self.title} answered {status}")

    def out_of_credit(self) -> Failed:
        """The account is the operator's business."""
        return Failed("provider_unavailable", f"the credit of the configured account at {self.title} is used up")

    def objection(self, words: str) -> Failed:
        """The request is the client's."""
        return Failed("invalid_input", f"{self.title} objects: {words or 'it gives no reason'}")


def words_of(answer: ApiAnswer) -> str:
    """What an error says for its reader: ``detail`` is a sentence, or a list of errors with a ``msg``."""
    body = answer.json()
    detail = body.get("detail") if isinstance(body, Mapping) else None
    return shortened(
        detail if isinstance(detail, str) else "; ".join(str(each.get("msg") or "") for each in errors_of(answer))
    )


def errors_of(answer: ApiAnswer) -> list[Mapping[str, object]]:
    """The errors that ``detail`` lists."""
    body = answer.json()
    detail = body.get("detail") if isinstance(body, Mapping) else None
    return [each for each in detail if isinstance(each, Mapping)] if isinstance(detail, list) else []


def shortened(words: str) -> str:
    """In one line, bounded, without a full stop at its end."""
    return " ".join(words.split())[:MESSAGE_CHARS_MAX].rstrip(".")
