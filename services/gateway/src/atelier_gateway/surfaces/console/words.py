"""How the console writes moments, spans of time, ids and amounts. Pure."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3_600, 86_400
TEN = 10
MICROS = 1_000_000
PERIODS: Mapping[str, Callable[[], dict[str, str]]] = {
    "day": lambda: {"from": f"{datetime.now(UTC):%Y-%m-%d}"},
    "month": dict,
}
"""Until now, since when sums are added up: that reads all of it, so only where a page is told to."""
TONES = {
    "succeeded": "good",
    "captured": "good",
    "passed": "good",
    "closed": "good",
    "delivered": "good",
    "failed": "bad",
    "expired": "bad",
    "open breaker": "bad",
    "cancelled": "quiet",
    "rejected": "quiet",
    "refunded": "quiet",
    "accepted": "busy",
    "reserving": "busy",
    "queued": "busy",
    "rendering": "busy",
    "delivering": "busy",
    "capturing": "busy",
    "stopping": "busy",
    "refunding": "busy",
    "running": "busy",
    "pending": "busy",
}
"""How a state is marked, besides its word."""


def moment(value: Any) -> str:
    """``2026-11-30 09:41:07``, in UTC."""
    at = as_moment(value)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"


def clock(value: Any) -> str:
    """``09:41:07.125``, in UTC."""
    at = as_moment(value)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}" if at else "–"


def as_moment(value: Any) -> datetime | None:
    """A moment from a JSON body, in UTC."""
    if value is None or value == "":
        return None
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.astimezone(UTC)


def span(seconds: float | None) -> str:
    """``3 min``, ``2 h 5 min``: as long as it matters."""
    if seconds is None:
        return "–"
    if seconds < 0:
        return f"in {span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def age(value: Any, now: datetime | None = None) -> str:
    """How long ago a moment was, or in how long it is."""
    at = as_moment(value)
    return span(((now or datetime.now(UTC)) - at).total_seconds()) if at else "–"


def remaining(value: Any, now: datetime) -> str:
    """How long it is until a moment; nothing once it is past."""
    at = as_moment(value)
    return span(max(0.0, (at - now).total_seconds())) if at else "–"


def duration(seconds: float | None) -> str:
    """``0.84 s``, ``12 s``: of times that are compared."""
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds < TEN else span(seconds)


def short(id_: Any) -> str:
    """The end of an id, which differs between ids of one moment."""
    text = str(id_ or "")
    return f"…{text[-12:]}" if len(text) > 20 else text


def amount(micros: Any, currency: Any = None) -> str:
    """Millionths of a currency: ``1.25 EUR``."""
    if micros is None:
        return "–"
    return f"{int(micros) / MICROS:,.2f}{' ' + str(currency) if currency else ''}"


def number(value: Any) -> str:
    """``12,345``."""
    return f"{int(value):,}" if value is not None else "–"


def words(name: Any) -> str:
    """``try_on`` as ``try on``."""
    return str(name or "").replace("_", " ")


def tone(state: Any) -> str:
    """The mark of a state."""
    return TONES.get(str(state), "plain")


def pretty(text: str) -> str:
    """JSON with its lines broken; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
