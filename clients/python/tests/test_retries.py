"""Tests of the client's pauses between attempts."""

from datetime import UTC, datetime
from pathlib import Path
from tomllib import loads

import pytest

from atelier_client.retries import RetryPolicy, can_repeat, retry_after_s
from atelier_client.version import VERSION

POLICY = RetryPolicy(retries_max=4, backoff_s=0.5, backoff_max_s=3)


def test_a_pause_doubles_with_each_attempt_up_to_its_limit_and_then_there_is_none() -> None:
    pauses = [POLICY.pause_s(attempt, None, chance=1.0) for attempt in range(5)]

    assert pauses == [0.5, 1.0, 2.0, 3.0, None]


def test_chance_shortens_a_pause_to_half_at_most() -> None:
    assert POLICY.pause_s(1, None, chance=0.0) == 0.5


@pytest.mark.parametrize("chance", [0.0, 0.99])
def test_a_retry_never_comes_before_retry_after_has_passed(chance: float) -> None:
    pause_s = POLICY.pause_s(0, 7, chance)

    assert pause_s is not None
    assert 7 <= pause_s < 7.5


def test_a_retry_after_beyond_the_limit_is_not_waited_for() -> None:
    assert POLICY.pause_s(0, 61, chance=0.0) is None


@pytest.mark.parametrize(
    ("status", "code", "repeated"),
    [
        (503, "unavailable", True),
        (503, "outcome_unknown", True),
        (429, "rate_limited", True),
        (500, "internal_error", True),
        (409, "request_in_progress", True),
        (409, "conflict", False),
        (503, "provider_unavailable", False),
        (429, "uploads_full", False),
        (402, "insufficient_credits", False),
        (400, "invalid_request", False),
    ],
)
def test_what_the_same_request_would_meet_again_is_not_repeated(status: int, code: str, repeated: bool) -> None:
    assert can_repeat(status, code) is repeated


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_never_raises(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, now=datetime(2026, 1, 1, 12, tzinfo=UTC)) == seconds


def test_the_version_that_is_sent_is_the_version_that_is_built() -> None:
    assert loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"] == VERSION
