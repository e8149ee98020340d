"""Operators in the hands of a test."""

from atelier_gateway.identity.operator_store import FIRST

from .world import ADMIN, ADMIN_TOKEN, World

OPERATORS = "/v1/admin/operators"


async def operator(world: World, role: str, name: str = "Ana") -> tuple[str, dict[str, str]]:
    made = await world.operations.post(OPERATORS, headers=ADMIN, json={"name": name, "role": role})
    assert made.status_code == 201
    return made.json()["id"], {"Authorization": f"Bearer {made.json()['token']}"}


async def renew(world: World) -> None:
    """There is the first operator alone, with the token of the settings."""
    await world.pool.execute("DELETE FROM operators WHERE id <> $1", FIRST)
    await world.pool.execute("UPDATE operators SET revoked_at = NULL, role = 'admin'")
    await world.container.operator_authenticator.set_first(ADMIN_TOKEN)
    world.container.operator_authenticator.clear_cache()
