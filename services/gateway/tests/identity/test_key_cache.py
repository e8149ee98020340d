"""API keys in use are read again together, and a revocation that another process has written is learnt by that."""

import pytest

from atelier_gateway.identity import key_cache, stores
from atelier_gateway.identity.authenticator import Authenticator
from atelier_gateway.identity.key_cache import KeyCache
from atelier_gateway.identity.ttl_cache import CACHE_TTL_S

from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
KEYS = 3


@pytest.fixture(autouse=True)
def no_refresh_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the test refreshes: a request that began one would take the keys in use along."""
    monkeypatch.setattr(key_cache, "REFRESH_AFTER_S", float("inf"))


async def test_a_refresh_reads_all_keys_in_use_and_forgets_the_revoked_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator, made = world.container.authenticator, [await world.store() for _ in range(KEYS)]
    for _, headers in made:
        assert (await _status(world, headers)) == 404
        assert (await _status(world, headers)) == 404
    await world.pool.execute("UPDATE api_keys SET revoked_at = now() WHERE store_id = $1", made[0][0])

    await _cache_of(authenticator).refresh()
    monkeypatch.setattr(stores, "find_key_by_prefix", _is_not_in_the_table)

    assert [await _status(world, headers) for _, headers in made] == [401, 404, 404]


async def test_what_was_read_before_a_suspension_is_not_believed_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, headers = await world.store()
    assert [await _status(world, headers) for _ in range(2)] == [404, 404]
    read = stores.find_keys_by_prefix

    async def read_then_suspend(*arguments: object) -> object:
        found = await read(*arguments)  # type: ignore[arg-type]
        changed = await world.client.patch(f"/v1/admin/stores/{store}", headers=ADMIN, json={"suspended": True})
        assert changed.status_code == 200
        return found

    monkeypatch.setattr(stores, "find_keys_by_prefix", read_then_suspend)
    await _cache_of(world.container.authenticator).refresh()

    assert await _status(world, headers) == 403


async def test_while_the_table_is_away_a_key_is_believed_until_its_time_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    assert [await _status(world, headers) for _ in range(2)] == [404, 404]

    async def is_away(*_: object) -> None:
        raise ConnectionRefusedError("postgres")

    monkeypatch.setattr(stores, "find_keys_by_prefix", is_away)
    await _cache_of(world.container.authenticator).refresh()

    assert await _status(world, headers) == 404
    assert CACHE_TTL_S < 5


async def _status(world: World, headers: dict[str, str]) -> int:
    return (await world.client.get("/api/v1/generation/unknown", headers=headers)).status_code


async def _is_not_in_the_table(*_: object) -> None:
    return None


def _cache_of(authenticator: Authenticator) -> KeyCache:
    return authenticator._keys
