"""Which events of billing and of the oracle agree."""

from collections.abc import Sequence
from typing import Any

from atelier_contracts import (
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditGranted,
    CreditRefunded,
    Message,
)


def are_alike(one: Sequence[object], other: Sequence[object]) -> bool:
    """Two declines are alike whatever their reason: neither leaves a row that the other could have seen."""
    return repr(one).replace("withdrawn", "insufficient_credits") == repr(other).replace(
        "withdrawn", "insufficient_credits"
    )


def comparable(event: Message) -> tuple[Any, ...]:
    match event:
        case CreditGranted(credits=credits):
            return "granted", credits
        case CreditDeducted(credits=credits):
            return "deducted", credits
        case CreditDeclined(reason=reason):
            return "declined", reason
        case CreditCaptured(captured=captured, refunded=refunded):
            return "captured", captured, refunded
        case CreditRefunded(refunded=refunded):
            return "refunded", refunded
    raise AssertionError(f"billing does not say {event.name}")
