"""The caps of a simulated history: an operator sets them in its course, and none is ever overspent."""

import random
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from atelier_billing.cap_handlers import handle_caps
from atelier_contracts import Owner, SetCap, Spender, cap_id_of
from atelier_contracts.caps import CapPeriod
from atelier_contracts.routes import BILLING_CAPS
from atelier_messaging.database import Pool
from chaos.faulty_broker import Broker, Process

KEYS = [Spender(kind="key", id=UUID(int=n)) for n in (11, 12)]
PERIODS: Sequence[CapPeriod] = ("day", "month", "total")
LIMITS = (4, 9, 15)


class ModelCaps:
    """Sets caps once each, so that a limit that was obeyed when a hold was placed is the limit at the end."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._set: set[UUID] = set()

    def set_one(self, broker: Broker, owners: Sequence[Owner]) -> str:
        """Orders the cap of an owner or of one of its keys, sometimes under two message ids; which, in words."""
        owner, period = self._rng.choice(owners), self._rng.choice(PERIODS)
        spender = self._rng.choice([Spender(kind=owner.kind, id=owner.id), *KEYS])
        id_ = cap_id_of(owner, spender, period)
        if id_ in self._set:
            return "a cap that is there already"
        self._set.add(id_)
        credits = self._rng.choice(LIMITS)
        command = SetCap(cap_id=id_, owner=owner, spender=spender, period=period, credits=credits)
        for _ in range(self._rng.choice((1, 1, 2))):
            broker.say(command)
        return f"a cap of {credits} a {period} for a {spender.kind}"


def caps_process(billing: Pool, broker: Broker) -> dict[str, Process]:
    """Billing's consumer of caps, by its queue."""
    return {BILLING_CAPS: Process.of("billing", BILLING_CAPS, billing, broker, handle_caps)}


async def overspent(billing: Pool) -> AsyncIterator[str]:
    """The caps of which more is used than there may be; that their counts are those of the holds, the proof says."""
    for row in await billing.fetch("SELECT id, credits, held + captured AS used FROM caps"):
        if row["used"] > row["credits"]:
            yield f"caps: {row['id']} has {row['used']} used of {row['credits']}"
