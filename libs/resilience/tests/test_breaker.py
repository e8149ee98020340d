"""The circuit breaker opens, tries once, and closes again (002.9: five failures, one minute)."""

import pytest

from atelier_resilience.breaker import FAILURES_MAX, PAUSE_S, CircuitBreaker, CircuitOpen


def _fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(OSError), breaker.guard_errors(lambda error: isinstance(error, OSError)):
        raise OSError


def test_the_breaker_opens_at_five_failures_and_tries_one_after_a_minute() -> None:
    """Closed, open, half-open, and back."""
    now = [0.0]
    breaker = CircuitBreaker(clock=lambda: now[0])
    for _ in range(FAILURES_MAX):
        assert breaker.state == "closed"
        _fail(breaker)
    with pytest.raises(CircuitOpen) as refused, breaker.guard_errors(lambda _: True):
        pass
    assert refused.value.wait_s == PAUSE_S

    now[0] = PAUSE_S + 1
    states = [breaker.state]
    with breaker.guard_errors(lambda _: True):
        states.append(breaker.state)
    assert [*states, breaker.state] == ["half-open", "open", "closed"]


def test_a_trial_that_fails_opens_it_again() -> None:
    """For another minute."""
    now = [0.0]
    breaker = CircuitBreaker(clock=lambda: now[0])
    for _ in range(FAILURES_MAX):
        _fail(breaker)
    now[0] = PAUSE_S + 1
    _fail(breaker)

    assert breaker.state == "open"


def test_a_refusal_is_no_failure() -> None:
    """What the backend refuses shows that it works."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES_MAX - 1):
        _fail(breaker)
    with pytest.raises(ValueError, match="no"), breaker.guard_errors(lambda error: isinstance(error, OSError)):
        raise ValueError("no")
    _fail(breaker)

    assert breaker.state == "closed"


def test_who_entered_before_it_opened_does_not_end_the_trial() -> None:
    now = [0.0]
    breaker = CircuitBreaker(clock=lambda: now[0])
    early = breaker.guard()
    early.__enter__()
    for _ in range(FAILURES_MAX):
        breaker.record(success=False)
    now[0] = PAUSE_S + 1

    with breaker.guard():
        early.__exit__(None, None, None)
        assert breaker.state == "open"


def test_a_trial_that_showed_nothing_leaves_the_next_one_to_show_it() -> None:
    now = [0.0]
    breaker = CircuitBreaker(pause_s=5.0, clock=lambda: now[0])
    for _ in range(FAILURES_MAX):
        breaker.record(success=False)
    now[0] = 6.0

    with breaker.guard():
        pass

    assert breaker.state == "half-open"
