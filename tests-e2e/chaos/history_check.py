"""The invariants at the end of a simulated history: books, sagas, holds and what clients are shown."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from atelier_billing.full_proof import prove
from atelier_gateway.projection.snapshot import RANKS, TERMINAL
from chaos.model_caps import overspent

if TYPE_CHECKING:
    from chaos.simulation import Simulation


async def wrong(history: "Simulation") -> AsyncIterator[str]:
    """What does not hold at the end of a history."""
    async with history.billing.acquire() as connection:
        for line in (await prove(connection)).violations:
            yield f"I1 I2 I3: {line}"
    async for line in overspent(history.billing):
        yield line
    corrected = {row["id"] for row in await history.billing.fetch("SELECT id FROM corrections")}
    for id_ in corrected ^ history.corrections.ordered:
        yield f"I5: the correction {id_} was {'never ordered' if id_ in corrected else 'lost'}"
    rows = await history.session.fetch("SELECT generation_id AS id, state FROM sagas")
    sagas = {row["id"]: row["state"] for row in rows}
    found = await history.billing.fetch("SELECT generation_id AS id, state, captured FROM holds")
    holds = {row["id"]: (row["state"], row["captured"]) for row in found}
    for id_, request in history.requests.items():
        state, hold = sagas.get(id_), holds.get(id_)
        shown = history.snapshots[id_].state
        if state is None and hold is not None:
            yield f"I14: {id_} was withdrawn, and has the hold {hold}"
        if request.delivery_window_s is not None:
            taken = len(history.handovers.delivered[id_])
            if taken != (hold[1] if hold else 0):
                yield f"{id_} delivered {taken} outputs, {state}, hold {hold}"
        if state == "succeeded" and hold != ("captured", history.made.get(id_)):
            yield f"I5: {id_} made {history.made.get(id_)}, hold {hold}"
        if state in ("failed", "cancelled", "expired") and (hold is None or hold[0] != "refunded"):
            yield f"I6 I7: {id_} {state}, hold {hold}"
        if state == "rejected" and hold not in (None, ("refunded", 0)):
            yield f"I6: {id_} rejected, hold {hold}"
        if state is None and RANKS[shown] != TERMINAL:
            yield f"I4: {id_} was withdrawn, and is shown as {shown} for ever"
        if state is not None and shown != state:
            yield f"I4: {id_} {state}, shown as {shown}"
    gone = await history.session.fetch(
        "SELECT generation_id AS id FROM saga_log WHERE heard = 'client gone' AND outcome = 'transition'"
    )
    for id_ in (row["id"] for row in gone):
        if holds.get(id_, ("", 0))[1] <= len(history.handovers.delivered[id_]):
            continue
        yield f"{id_}: no client waited for it any more, and it is charged"
    for queue, frame in history.broker.dead:
        yield f"I11: a dead letter of {queue}: {frame.headers}"
