"""What follows which outcome, whatever the provider: the rules as a table."""

import pytest

from atelier_render.provider_calls.retry_policy import (
    OUTCOME_WORDS,
    RetryPolicy,
    breaker_signal,
    may_fail_over,
    outcome_label,
    usable_outcome,
)
from atelier_render.providers.protocol import (
    Failed,
    Partial,
    Picture,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_render.providers.sample_outputs import sample_picture

RULES = RetryPolicy(tries_max=3, backoff_s=1.0, backoff_s_max=3.0, retry_after_s_max=30.0)
GOOD, BAD = (
    Picture(sample_picture(1, 32, 32), "image/png", 32, 32),
    Picture(sample_picture(1, 32, 32)[:-9], "image/png", 32, 32),
)


@pytest.mark.parametrize(
    ("outcome", "may", "healthy"),
    [
        (Succeeded((), 1), False, True),
        (Partial((), 1), False, True),
        (Refused("no"), False, True),
        (Failed("invalid_input", "no"), False, True),
        (Failed("provider_failed", "no"), True, False),
        (Failed("provider_unavailable", "no"), True, False),
        (Failed("provider_timeout", "no"), True, False),
        (Failed("unknown_outcome", "no"), False, True),
        (Transient("no"), True, False),
        (RateLimited(1.0), True, None),
        (Unknown(), False, False),
    ],
)
def test_another_is_asked_only_where_nothing_was_made_for_certain(
    outcome: ProviderOutcome, may: bool, healthy: bool | None
) -> None:
    assert (may_fail_over(outcome), breaker_signal(outcome)) == (may, healthy)
    assert outcome_label(outcome)[0] in OUTCOME_WORDS  # whose counters begin at 0


@pytest.mark.parametrize(
    ("outcome", "tries", "remaining_s", "expected"),
    [
        (Transient("no"), 1, 60.0, 0.75),
        (Transient("no"), 2, 60.0, 1.5),
        (Transient("no"), 3, 60.0, None),
        (Transient("no"), 1, 1.0, None),
        (RateLimited(7.0), 1, 60.0, 7.5),
        (RateLimited(7.0), 1, 14.0, None),
        (RateLimited(31.0), 1, 600.0, None),
        (Failed("provider_failed", "no"), 1, 60.0, None),
        (Unknown(), 1, 60.0, None),
    ],
)
def test_the_same_one_is_tried_again_while_tries_and_half_of_the_time_are_left(
    outcome: ProviderOutcome, tries: int, remaining_s: float, expected: float | None
) -> None:
    assert RULES.pause_s(outcome, tries=tries, remaining_s=remaining_s, chance=0.5) == expected


@pytest.mark.parametrize(
    ("made", "n", "expected"),
    [
        (Succeeded((GOOD, GOOD), 2), 2, Succeeded((GOOD, GOOD), 2)),
        (Succeeded((GOOD, BAD, GOOD), 3), 3, Partial((GOOD, GOOD), 2)),
        (Succeeded((GOOD, GOOD, GOOD), 3), 2, Succeeded((GOOD, GOOD), 2)),
        (Succeeded((), 3), 3, Succeeded((), 3)),
        (Partial((GOOD,), 1), 4, Partial((GOOD,), 1)),
    ],
)
def test_only_what_is_whole_and_was_asked_for_counts(made: ProviderOutcome, n: int, expected: ProviderOutcome) -> None:
    assert usable_outcome(made, n) == expected


@pytest.mark.parametrize("made", [Succeeded((BAD,), 1), Partial((), 0)])
def test_without_anything_usable_the_provider_failed(made: ProviderOutcome) -> None:
    outcome = usable_outcome(made, 1)

    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_failed"
