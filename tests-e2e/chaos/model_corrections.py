"""Who corrects the books in a simulated history: operators and disputes, whatever there is to correct."""

import random
from collections.abc import Callable, Sequence
from uuid import UUID

from atelier_billing.correction_handlers import handle_corrections
from atelier_contracts import Owner, ReturnCredit, TakeBackCredit
from atelier_contracts.routes import BILLING_CORRECTIONS
from atelier_messaging.database import Pool
from chaos.faulty_broker import Broker, Process

REASON = "simulated"


class ModelCorrections:
    """Orders corrections; ``ordered`` are the ids of all of them, each of which billing has to post or refuse once."""

    def __init__(self, rng: random.Random, new_id: Callable[[], UUID]) -> None:
        self._rng = rng
        self._new_id = new_id
        self.ordered: set[UUID] = set()

    def order(self, broker: Broker, generations: Sequence[UUID], owners: Sequence[Owner]) -> str:
        """Says one correction, sometimes under two message ids; what it was, in words."""
        command = self._build(generations, owners)
        self.ordered.add(command.correction_id)
        for _ in range(self._rng.choice((1, 1, 2))):
            broker.say(command)
        return f"a correction: {type(command).__name__}"

    def _build(self, generations: Sequence[UUID], owners: Sequence[Owner]) -> ReturnCredit | TakeBackCredit:
        """A charge is returned, of a generation that may not have one, or a grant is taken back."""
        id_, credits = self._new_id(), self._rng.choice((None, 1, 2))
        if generations and self._rng.random() < 0.8:
            generation = self._rng.choice(generations)
            return ReturnCredit(correction_id=id_, generation_id=generation, credits=credits, reason=REASON)
        owner = self._rng.choice(owners)
        return TakeBackCredit(correction_id=id_, owner=owner, credits=credits or 3, reason=REASON)


def corrections_process(billing: Pool, broker: Broker) -> dict[str, Process]:
    """Billing's consumer of corrections, by its queue."""
    return {BILLING_CORRECTIONS: Process.of("billing", BILLING_CORRECTIONS, billing, broker, handle_corrections)}
