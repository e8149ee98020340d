"""Sees to it that outputs which are to go are gone: reads what render keeps, and sends a command again that did not
reach it.

The broker may lose the command to discard outputs, the one to stop a render, and the answer that a render was done
after all. In each case outputs would stay that were refunded, or that their request wants no longer stored.
"""

import logging
from collections.abc import Iterable
from typing import TypeAlias

from atelier_contracts import CancelRender, DiscardRender
from atelier_messaging import Transaction, UnitOfWork
from atelier_session import discard_store
from atelier_session.generation import ClientGone, GracePassed, StartPassed, State, Trigger
from atelier_session.render_outputs import KeptOutputs, RenderOutputs
from atelier_session.store import Saga

CHECK_EVERY_S = 5.0
ROWS_MAX = 200
AT_WORK = frozenset({State.QUEUED, State.RENDERING, State.STOPPING})
WITHOUT_ANSWER = (ClientGone, GracePassed, StartPassed)
"""What ends a generation without waiting for what its render has made."""
OPEN_JOB = frozenset({"queued", "running"})
NextCommand: TypeAlias = DiscardRender | CancelRender | None
logger = logging.getLogger(__name__)


class DiscardCheck:
    """Checks the discards that were noted ``after_s`` seconds ago."""

    def __init__(self, unit: UnitOfWork, outputs: RenderOutputs, *, after_s: float) -> None:
        self._unit = unit
        self._outputs = outputs
        self._after_s = after_s

    async def check(self) -> None:
        """One look. Where render does not answer, the next is after twice as long."""
        due = await discard_store.claim_due(self._unit.pool, after_s=self._after_s, rows_max=ROWS_MAX)
        kept = await self._outputs.find([discard.generation_id for discard in due]) if due else None
        if kept is None:
            return
        commands = {discard: next_command(discard, kept.get(discard.generation_id)) for discard in due}
        async with self._unit.once() as tx:
            await discard_store.close(tx.connection, [discard for discard, next_ in commands.items() if next_ is None])
            for command in commands.values():
                if command is not None:
                    tx.emit(command)
                    logger.warning("%s of %s had no effect, sent again", command.name, command.generation_id)


def note(tx: Transaction, sagas: Iterable[Saga]) -> None:
    """Notes which outputs are to go, with the writes of the transaction that decides it: those that it discards, and
    whatever the renders make that these sagas no longer wait for."""
    unanswered = [
        DiscardRender(generation_id=saga.generation.request.generation_id)
        for saga in sagas
        if saga.is_render_unanswered
    ]
    sent = [envelope.message for envelope in tx.emitted]
    discard_store.note(tx, [*unanswered, *(message for message in sent if isinstance(message, DiscardRender))])


def is_unanswered(before: State, trigger: Trigger) -> bool:
    """Whether a generation ends by this trigger without knowing what its render makes."""
    return before in AT_WORK and isinstance(trigger, WITHOUT_ANSWER)


def next_command(discard: DiscardRender, kept: KeptOutputs | None) -> NextCommand:
    """What is to be sent again, by what render keeps; None where all is as it should be."""
    if kept is not None and kept.state in OPEN_JOB:
        return CancelRender(generation_id=discard.generation_id)
    return discard if kept is not None and kept.outputs - set(discard.kept) else None
