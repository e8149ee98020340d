"""Breakers that operators hold open or closed, in every process of render: each looks for them every few seconds."""

from collections.abc import Mapping

from atelier_messaging.database import Pool
from atelier_render.provider_calls.concurrency_gate import ProviderGate
from atelier_render.store import standing

REFRESH_EVERY_S = 2.0


class BreakerOverrides:
    """Of one process, by provider. One that is not looked up again ends by its own time."""

    def __init__(self, pool: Pool, gates: Mapping[str, ProviderGate]) -> None:
        self._pool = pool
        self.gates = gates

    async def refresh(self) -> None:
        """Tells the gates what holds now."""
        held = {each.provider: each for each in await standing.breaker_overrides(self._pool)}
        for name, gate in self.gates.items():
            override = held.get(name)
            if override is None:
                gate.hold(None)
            else:
                gate.hold("open" if override.state == "open" else "closed", override.left_s)
