"""Request limits on a real Postgres, and the answers to an address that guesses credentials."""

import asyncio

import pytest

from atelier_gateway.rate_limits import postgres_windows
from atelier_gateway.rate_limits.postgres_windows import PostgresWindows

from ..support.world import ADMIN, FAILED_LOGINS_PER_MINUTE, World

pytestmark = pytest.mark.stack
WINDOW_S = 3_600


async def test_concurrent_takers_on_two_replicas_get_exactly_what_the_window_holds(world: World) -> None:
    replicas = PostgresWindows(world.pool), PostgresWindows(world.pool)

    counts = await asyncio.gather(*(replicas[i % 2].take("user:60:ann", 7, 60) for i in range(40)))

    assert sum(count.allowed for count in counts) == 7
    assert max(count.used for count in counts) == 7
    assert all(0 < count.reset_s <= 60 for count in counts)


async def test_the_window_slides_so_a_place_is_free_when_the_oldest_leaves(world: World) -> None:
    windows = PostgresWindows(world.pool)
    await windows.take("k", 2, WINDOW_S)
    await _passes(world, WINDOW_S * 0.6)
    await windows.take("k", 2, WINDOW_S)

    refused = await windows.take("k", 2, WINDOW_S)
    await _passes(world, WINDOW_S * 0.5)
    later = [await windows.take("k", 2, WINDOW_S) for _ in range(2)]

    assert not refused.allowed and 0 < refused.reset_s <= WINDOW_S * 0.4
    assert [count.allowed for count in later] == [True, False]


async def _passes(world: World, seconds: float) -> None:
    """Everything in the windows is that much older."""
    older = "SELECT array_agg(m - make_interval(secs => $1)) FROM unnest(moments) AS m"
    await world.pool.execute(f"UPDATE rate_windows SET moments = ({older})", seconds)


async def test_windows_in_which_nothing_is_left_are_removed(world: World) -> None:
    windows = PostgresWindows(world.pool)
    await windows.take("old", 2, 0)
    await windows.take("new", 2, 60)

    await postgres_windows.prune(world.pool)

    assert await world.pool.fetchval("SELECT array_agg(key) FROM rate_windows") == ["new"]


async def _guess(world: World, address: str, path: str = "/api/v1/generation/x") -> int:
    headers = {"X-API-Key": "atl_wrong", "X-Forwarded-For": address}
    return (await world.client.get(path, headers=headers)).status_code


async def test_guessing_is_refused_on_every_surface_and_never_locks_out_a_good_credential(world: World) -> None:
    """Settled 9: behind one address, a proxy's or an office's, there are others."""
    _, good = await world.store()
    paths = ("/api/v1/generation/x", "/v1/generations/x", "/v1/generations/x/receipt")

    guesses = [await _guess(world, "198.51.100.1", paths[i % 3]) for i in range(FAILED_LOGINS_PER_MINUTE + 1)]
    guess = {"X-API-Key": "atl_wrong", "X-Forwarded-For": "198.51.100.1"}
    refused = await world.client.get("/v1/generations/x", headers=guess)
    through = [
        await world.client.get(path, headers={**good, "X-Forwarded-For": "198.51.100.1"})
        for path in ("/v1/generations/x", "/api/v1/generation/x", "/v1/credits")
    ]
    other = await world.client.get("/v1/generations/x", headers={**good, "X-Forwarded-For": "198.51.100.2"})

    assert guesses == [401] * FAILED_LOGINS_PER_MINUTE + [429]
    assert refused.status_code == 429 and refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-Request-Id"] and refused.headers["X-Content-Type-Options"] == "nosniff"
    assert other.status_code == 404
    assert [answered.status_code for answered in through] == [404, 404, 200]


async def test_the_refusal_is_in_the_words_of_the_surface(world: World) -> None:
    for _ in range(FAILED_LOGINS_PER_MINUTE):
        await _guess(world, "198.51.100.3")

    answered = await world.client.get(
        "/api/v1/generation/x", headers={"X-API-Key": "atl_wrong", "X-Forwarded-For": "198.51.100.3"}
    )

    assert answered.json()["data"] is None and answered.json()["error"]["code"] == "RATE_LIMITED"
    assert '"failed-logins"' in answered.headers["RateLimit-Policy"]


async def test_health_and_good_credentials_are_never_counted(world: World) -> None:
    for _ in range(FAILED_LOGINS_PER_MINUTE + 5):
        listed = await world.client.get("/v1/admin/nothing", headers={**ADMIN, "X-Forwarded-For": "198.51.100.4"})
        alive = await world.client.get("/health/live", headers={"X-Forwarded-For": "198.51.100.4"})
        assert (listed.status_code, alive.status_code) == (404, 200)
    assert await world.pool.fetchval("SELECT count(*) FROM rate_windows") == 0
