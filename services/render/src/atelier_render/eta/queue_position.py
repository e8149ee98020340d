"""Where a job stands: the position that the fair claim will prove right, and how long it will probably take."""

from math import ceil
from uuid import UUID

import asyncpg

from atelier_contracts import RenderSpec
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.eta import quantiles
from atelier_render.eta.estimator import EtaEstimator
from atelier_render.eta.quantiles import QueueState
from atelier_render.jobs import Eta

Place = dict[str, int | None]


class QueuePositions:
    """Answers for the jobs of all processes; ``slots`` and ``cap`` are those of this one."""

    def __init__(self, pool: Pool, eta_estimator: EtaEstimator, *, slots: int, cap: int) -> None:
        self._pool = pool
        self._eta_estimator = eta_estimator
        self._slots = slots
        self._cap = cap

    async def find(self, generation_id: UUID) -> Place | None:
        """``position`` (1: next) while it waits; ``eta_s`` and ``eta_p90_s`` where the like of it has been measured.
        None for what neither waits nor runs. The first estimate for a waiting job is stored."""
        row = await store.job_queue_state(self._pool, generation_id)
        if row is None:
            return None
        like = self._eta_estimator.like(RenderSpec.model_validate(row["spec"]))
        if row["state"] == "running":
            return _position_of(None, quantiles.of_running(like, row["running_s"]))
        # Instant jobs are not measured: a thousand of them are over in the time it takes to ask about one.
        paced = row["lane"] == "paced"
        eta = quantiles.of_waiting(like, self._eta_estimator.latest(), self._queue_state(row)) if paced else None
        if eta and not row["promised"]:
            await store.promise(self._pool, generation_id, *eta)
        return _position_of(row["ahead"] + 1, eta)

    def _queue_state(self, row: asyncpg.Record) -> QueueState:
        """There are at least as many slots as this process has, and as many as are taken."""
        return QueueState(
            position=row["ahead"] + 1,
            running=row["running"],
            slots=max(self._slots, row["running"]),
            own_position=row["own_ahead"] + 1,
            own_running=row["own_running"],
            cap=self._cap,
        )


def _position_of(position: int | None, eta: Eta | None) -> Place:
    p50_s, p90_s = (ceil(eta.p50_s), ceil(eta.p90_s)) if eta else (None, None)
    return {"position": position, "eta_s": p50_s, "eta_p90_s": p90_s}
