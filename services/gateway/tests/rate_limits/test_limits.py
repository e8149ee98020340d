"""Request limits: their headers, the client's address, and requests while the windows are unavailable."""

import pytest
from starlette.types import Scope

from atelier_gateway.rate_limits.backends import library_windows
from atelier_gateway.rate_limits.limiter import (
    RateLimiter,
    RateLimitRule,
    WindowCount,
    rate_limit_headers,
    rate_limited_problem,
)
from atelier_gateway.web.client_ip import client_ip, networks, subject

PER_USER = RateLimitRule("user", 2, 60)


def limits(*, enabled: bool = True) -> RateLimiter:
    return RateLimiter(library_windows("memory://"), enabled=enabled)


async def test_what_fits_into_the_window_passes_and_the_next_is_told_when_to_come_again() -> None:
    limiter = limits()

    first, second, third = [await limiter.take(PER_USER, "ann") for _ in range(3)]

    assert [v.is_allowed for v in (first, second, third)] == [True, True, False]
    assert [v.remaining for v in (first, second, third)] == [1, 0, 0]
    assert rate_limit_headers(first) == {"RateLimit-Policy": '"user";q=2;w=60', "RateLimit": '"user";r=1;t=60'}
    assert rate_limit_headers(third)["Retry-After"] == "60"
    assert rate_limited_problem(first, third).status == 429


async def test_one_subject_does_not_use_up_what_another_has() -> None:
    limiter = limits()

    for _ in range(3):
        await limiter.take(PER_USER, "ann")

    assert (await limiter.take(PER_USER, "bob")).is_allowed
    assert (await limiter.take(RateLimitRule("ip", 2, 60), "ann")).is_allowed


async def test_several_limits_are_told_together() -> None:
    limiter = limits()

    told = rate_limit_headers(
        await limiter.take(PER_USER, "ann"), await limiter.take(RateLimitRule("workspace", 9, 3600), "w")
    )

    assert told["RateLimit"] == '"user";r=1;t=60, "workspace";r=8;t=3600'
    assert told["RateLimit-Policy"] == '"user";q=2;w=60, "workspace";q=9;w=3600'


async def test_switched_off_everything_passes_and_nothing_is_told_but_failed_logins_still_count() -> None:
    limiter = limits(enabled=False)

    verdicts = [await limiter.take(PER_USER, "ann") for _ in range(5)]
    logins = [await limiter.take(PER_USER, "ann", always=True) for _ in range(3)]

    assert all(verdict.is_allowed for verdict in verdicts) and rate_limit_headers(*verdicts) == {}
    assert [verdict.is_allowed for verdict in logins] == [True, True, False]


class Away:
    """Windows that are unavailable."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def take(self, key: str, limit: int, window_s: int) -> WindowCount:
        raise self._failure


async def test_while_the_windows_are_away_requests_pass_but_a_fault_of_ours_shows() -> None:
    verdict = await RateLimiter(Away(ConnectionRefusedError("no redis"))).take(PER_USER, "ann")

    assert verdict.is_allowed and rate_limit_headers(verdict) == {}
    with pytest.raises(KeyError):
        await RateLimiter(Away(KeyError("a bug"))).take(PER_USER, "ann")


async def test_a_redis_that_is_away_is_an_outage() -> None:
    windows = library_windows("redis://127.0.0.1:9/0")

    assert (await RateLimiter(windows).take(PER_USER, "ann")).is_allowed
    with pytest.raises(ConnectionError):
        await windows.take("user:60:ann", 2, 60)


PROXIES = networks("10.0.0.0/8, 192.0.2.7, fd00::/8")


def scope_of(peer: str, *forwarded: str) -> Scope:
    return {"type": "http", "client": (peer, 4711), "headers": [(b"x-forwarded-for", f.encode()) for f in forwarded]}


@pytest.mark.parametrize(
    ("scope", "client"),
    [
        (scope_of("203.0.113.9"), "203.0.113.9"),
        (scope_of("203.0.113.9", "198.51.100.1"), "203.0.113.9"),  # not a proxy of ours: anybody can write a header
        (scope_of("10.0.0.1", "198.51.100.1"), "198.51.100.1"),
        (scope_of("10.0.0.1", "1.1.1.1, 198.51.100.1"), "198.51.100.1"),  # the left part is the client's own invention
        (scope_of("10.0.0.1", "1.1.1.1, 198.51.100.1, 192.0.2.7"), "198.51.100.1"),
        (scope_of("10.0.0.1", "1.1.1.1", "198.51.100.1"), "198.51.100.1"),  # two headers are one list
        (scope_of("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3"),
        (scope_of("10.0.0.1", "198.51.100.1:4711"), "198.51.100.1"),
        (scope_of("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::1"),
        (scope_of("10.0.0.1", "198.51.100.1, nonsense"), "10.0.0.1"),
        (scope_of("10.0.0.1", ""), "10.0.0.1"),
        (scope_of("::ffff:10.0.0.1", "198.51.100.1"), "198.51.100.1"),
        (scope_of("fd00::5", "198.51.100.1"), "198.51.100.1"),
    ],
)
def test_a_forwarded_address_is_believed_as_far_as_our_own_proxies_wrote_it(scope: Scope, client: str) -> None:
    assert client_ip(scope, PROXIES) == client


def test_without_configured_proxies_no_header_is_believed() -> None:
    assert client_ip(scope_of("10.0.0.1", "198.51.100.1"), ()) == "10.0.0.1"
    assert client_ip({"type": "http", "client": None, "headers": []}, PROXIES) == "unknown"


def test_an_ipv6_subscriber_is_one_subject_however_many_addresses_they_have() -> None:
    assert subject("2001:db8:1:2::1") == subject("2001:db8:1:2:ffff::9") != subject("2001:db8:1:3::1")
    assert subject("::ffff:198.51.100.1") == subject("198.51.100.1") == "198.51.100.1"
