"""Periods in a query string: ``from`` and ``to``, each a day or a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from atelier_gateway.web.openapi_responses import query
from atelier_gateway.web.problems import field_problem

DAYS_MAX = 366
TEXT_CHARS_MAX = 40
FROM = query(
    "from", {"type": "string", "examples": ["2026-11-01"]}, "A day, or a moment; this month's first by default."
)
TO = query("to", {"type": "string", "examples": ["2026-12-01"]}, "Not included; now by default.")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to before ``until``, both in UTC."""

    since: datetime
    until: datetime

    @property
    def query(self) -> dict[str, str]:
        """As the services' internal routes take it."""
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}


def parse_period(parameters: Mapping[str, str], now: datetime) -> Period:
    """The period that a query string names: ``DAYS_MAX`` days at most. Raises Problem 400."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since, until = _moment(parameters, "from", first), _moment(parameters, "to", now.astimezone(UTC))
    if not since < until <= since + timedelta(days=DAYS_MAX):
        raise field_problem("to", f"a moment after `from` is required, at most {DAYS_MAX} days later")
    return Period(since, until)


def _moment(parameters: Mapping[str, str], name: str, default: datetime) -> datetime:
    text = parameters.get(name)
    if text is None:
        return default
    try:
        return _parse(text[:TEXT_CHARS_MAX])
    except (ValueError, OverflowError):
        raise field_problem(name, "a day (2026-11-01) or a moment (2026-11-01T12:00:00Z) is required") from None


def _parse(text: str) -> datetime:
    if len(text) == len("2026-11-01"):
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" in a query string is a space
    if moment.tzinfo is None:
        raise ValueError("without an offset")
    moment = moment.astimezone(UTC)
    # Ids of times before 1970 do not exist.
    if moment.year < 1971 or moment.year > 9000:
        raise ValueError("out of range")
    return moment
