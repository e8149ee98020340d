"""Client tokens: made with a store's key, and the headers that pages send."""

from typing import Any

from .world import Headers, World

SHOP = "https://shop.example"
CAP = 6
"""Credits: two pictures of ``IMAGE``."""


async def mint(world: World, key: Headers, **changes: Any) -> dict[str, Any]:
    """A new token for pages of the shop, as the answer shows it."""
    body = {"credits": CAP, "end_user": "customer-7", "origins": [SHOP]} | changes
    made = await world.client.post("/v1/client-tokens", headers=dict(key), json=body)
    assert made.status_code == 201, made.text
    shown: dict[str, Any] = made.json()
    return shown


def page(token: dict[str, Any], origin: str = SHOP) -> dict[str, str]:
    """What a page of the shop sends."""
    return {"Authorization": f"Bearer {token['token']}", "Origin": origin}
