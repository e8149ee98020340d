"""Periods: days and moments, in UTC, of a bounded length."""

from datetime import UTC, datetime

import pytest

from atelier_gateway.web.periods import Period, parse_period
from atelier_gateway.web.problems import Problem

NOW = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({}, at(2026, 11, 1), NOW),
        ({"from": "2026-10-01", "to": "2026-11-01"}, at(2026, 10, 1), at(2026, 11, 1)),
        ({"from": "2026-11-30T00:30:00+02:00"}, at(2026, 11, 29, 22, 30), NOW),
        ({"from": "2026-11-30T00:30:00 02:00"}, at(2026, 11, 29, 22, 30), NOW),
        ({"from": "2026-11-29T23:00:00Z", "to": "2027-01-01"}, at(2026, 11, 29, 23), at(2027, 1, 1)),
    ],
)
def test_a_day_begins_in_utc_and_a_moment_has_an_offset(
    given: dict[str, str], since: datetime, until: datetime
) -> None:
    assert parse_period(given, NOW) == Period(since, until)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-30T00:30:00"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "9999-12-31T23:59:59-14:00"}, "from"),
        ({"from": ""}, "from"),
        ({"to": "2026-11-01"}, "to"),
        ({"from": "2025-01-01", "to": "2026-11-01"}, "to"),
    ],
)
def test_what_is_no_period_is_refused_by_name(given: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_period(given, NOW)
    assert [error["field"] for error in refused.value.details["errors"]] == [field]
