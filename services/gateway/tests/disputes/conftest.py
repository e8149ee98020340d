"""A store that disputes, and the policy."""

from collections.abc import Callable
from typing import Any

import pytest

from atelier_contracts import Owner
from atelier_gateway.disputes.resolver import DisputePolicy

from ..support.world import World


@pytest.fixture
async def store(world: World) -> tuple[Owner, dict[str, str]]:
    """An owner, and the headers that act for it."""
    id_, headers = await world.store()
    return Owner(kind="store", id=id_), headers


@pytest.fixture
def policy(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the policy for one test."""

    def change(**changes: Any) -> None:
        values: dict[str, Any] = {"mode": "evidence", "days": 14, "refunds_max": 20} | changes
        monkeypatch.setattr(world.container.disputes, "_policy", DisputePolicy(**values))

    return change
