"""Repairs the projection where events were lost: fetches stalled generations from the session.

Its events are applied like those from the bus, so nothing changes where they arrive after all, and streams and webhooks
get them. A request that the session never got, or lost with its database, is withdrawn there first, so it can never
begin, and what billing holds for it is refunded. The session has to say twice that it does not know one: after an
outage it first works through its queue.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from atelier_contracts import Event, GenerationFailed, wrap
from atelier_contracts.message import REGISTRY
from atelier_gateway.generations.projector import Projector
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.projection import stalled
from atelier_gateway.projection.snapshot import Snapshot
from atelier_messaging import Delivery, UnitOfWork
from atelier_telemetry import metrics

ROWS_MAX = 200
SOURCE = "atelier/gateway"
UNAVAILABLE = "unavailable"
"""The code of what ends here; no saga ends with it."""
LOST = "the request was lost before its work began; nothing was charged"
LOST_AT_WORK = "what became of it was lost; its credits go back and nothing is charged"
logger = logging.getLogger(__name__)


def has_never_begun(snapshot: Snapshot) -> bool:
    """Whether it was ended here, as a request that the session never got: no credits were ever held for it."""
    error = snapshot.error or {}
    held = snapshot.credits_reserved + snapshot.credits_refunded
    return snapshot.state == "failed" and error.get("code") == UNAVAILABLE and not held


class ProjectionRecovery:
    """Fetches the events that did not arrive on the bus."""

    def __init__(
        self,
        unit: UnitOfWork,
        peers: PeerClient,
        projector: Projector,
        *,
        after_s: float,
    ) -> None:
        self._unit = unit
        self._peers = peers
        self._projector = projector
        self._after_s = after_s

    async def check(self) -> None:
        """One look at the stalled generations. Where the session does not answer, the next try is after ``after_s``."""
        pool = self._unit.pool
        metrics.OLDEST_OPEN.labels("projection").set(await stalled.get_oldest_open_s(pool))
        ids = await stalled.claim_stalled(pool, after_s=self._after_s, rows_max=ROWS_MAX)
        if not ids:
            return
        try:
            found = await self._peers.get_generation_events(ids)
            known = {UUID(generation["id"]): generation["events"] for generation in found}
        except PeerUnavailable as error:
            logger.warning("status of %d stalled generations unavailable, asking again later: %s", len(ids), error)
            return
        await self._heal("recovered", [_event(told) for events in known.values() for told in events])
        lost = await stalled.record_answer(pool, ids, [id_ for id_ in ids if id_ not in known])
        await self._heal("withdrawn", await self._withdraw_unknown(lost))

    async def _withdraw_unknown(self, unknown: Sequence[UUID]) -> list[Event]:
        """The ends of requests that the session does not know and, after this, never takes."""
        if not unknown:
            return []
        late = await stalled.find_unsent(self._unit.pool, unknown)
        ends: list[Event] = []
        for id_ in unknown:
            if id_ in late:
                continue
            try:
                ends += await self._end(id_)
            except PeerUnavailable as error:
                logger.warning("recovery of generation %s failed, retrying later: %s", id_, error)
        return ends

    async def _end(self, id_: UUID) -> list[Event]:
        """The end, once it is certain that nothing is charged. Raises PeerUnavailable."""
        hold = await self._peers.get_hold(id_)
        if hold and hold["state"] == "captured":
            logger.error("generation %s is charged but unknown to the session: an operator must decide", id_)
            return []
        if await self._peers.withdraw(id_, refund=hold is not None) != "withdrawn":
            return []
        reason, refunded = (LOST, 0) if hold is None else (LOST_AT_WORK, hold["credits"])
        end = GenerationFailed(generation_id=id_, outcome="failed", code=UNAVAILABLE, reason=reason, refunded=refunded)
        return [end]

    async def _heal(self, outcome: str, events: Sequence[Event]) -> None:
        if not events:
            return
        async with self._unit.once() as tx:
            changed = await self._projector.apply(tx, [Delivery(wrap(event, source=SOURCE)) for event in events])
        if changed:
            metrics.PROJECTION_HEALED.labels(outcome).inc(len(changed))
            logger.warning(
                "events of %d generations were lost, their projection is repaired (%s)", len(changed), outcome
            )


def _event(told: Mapping[str, Any]) -> Event:
    event = REGISTRY[told["name"]].model_validate_json(told["body"])
    assert isinstance(event, Event), "where a generation stands is told by events"
    return event
