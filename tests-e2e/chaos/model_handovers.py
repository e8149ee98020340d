"""A model of what the gateway delivers of generations that are charged on delivery, for the simulation."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from atelier_contracts import OutputDelivery, OutputsDelivered
from atelier_gateway.projection.snapshot import Snapshot


@dataclass
class ModelHandovers:
    """What the gateway delivers of generations that are charged on delivery, and whether it does so any more."""

    rng: random.Random
    delivered: dict[UUID, dict[int, OutputDelivery]] = field(default_factory=lambda: defaultdict(dict))
    closed: set[UUID] = field(default_factory=set)
    is_faulty: bool = True

    async def close_all(self, ids: Sequence[UUID]) -> dict[UUID, tuple[OutputDelivery, ...]]:
        """As the session's client of the gateway has it: now and then the gateway does not answer, or its answer is
        lost on the way."""
        if self.is_faulty and self.rng.random() < 0.2:
            return {}
        closed = {id_: self.close_one(id_) for id_ in ids}
        return {} if self.is_faulty and self.rng.random() < 0.2 else closed

    def close_one(self, id_: UUID) -> tuple[OutputDelivery, ...]:
        """Delivers nothing more of it; what was delivered."""
        self.closed.add(id_)
        return tuple(delivery for _, delivery in sorted(self.delivered[id_].items()))

    def deliver_one(self, snapshots: Mapping[UUID, Snapshot]) -> OutputsDelivered | None:
        """An output of a generation that is shown as one to be delivered; None where there is none."""
        ready = [id_ for id_, shown in snapshots.items() if shown.state == "delivering" and id_ not in self.closed]
        if not ready:
            return None
        id_ = self.rng.choice(ready)
        handover = snapshots[id_].handover
        assert handover is not None
        output = self.rng.randrange(handover.made)
        delivery = OutputDelivery(output=output, how="fetched", at=datetime.fromtimestamp(0, UTC))
        self.delivered[id_].setdefault(output, delivery)
        return OutputsDelivered(generation_id=id_, delivered=(delivery,))
