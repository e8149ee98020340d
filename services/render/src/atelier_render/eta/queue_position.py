"""Where a job stands: the position that the fair claim will prove right, and how long it will probably take."""

from math import ceil
from uuid import UUID

import asyncpg

from atelier_contracts import RenderSpec
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.eta import quantiles as forecasts
from atelier_render.eta.estimator import Forecaster
from atelier_render.eta.quantiles import Standing
from atelier_render.jobs import Forecast

Place = dict[str, int | None]


class Places:
    """Answers for the jobs of all processes; ``slots`` and ``cap`` are those of this one."""

    def __init__(self, pool: Pool, forecaster: Forecaster, *, slots: int, cap: int) -> None:
        self._pool = pool
        self._forecaster = forecaster
        self._slots = slots
        self._cap = cap

    async def find(self, generation_id: UUID) -> Place | None:
        """``position`` (1: next) while it waits; ``eta_s`` and ``eta_p90_s`` where the like of it has been measured.
        None for what neither waits nor runs. What is told of a waiting job for the first time is written down."""
        row = await store.standing(self._pool, generation_id)
        if row is None:
            return None
        like = self._forecaster.like(RenderSpec.model_validate(row["spec"]))
        if row["state"] == "running":
            return _told(None, forecasts.of_running(like, row["running_s"]))
        # Instant jobs are not measured: a thousand of them are over in the time it takes to ask about one.
        paced = row["lane"] == "paced"
        forecast = forecasts.of_waiting(like, self._forecaster.latest(), self._standing(row)) if paced else None
        if forecast and not row["promised"]:
            await store.promise(self._pool, generation_id, *forecast)
        return _told(row["ahead"] + 1, forecast)

    def _standing(self, row: asyncpg.Record) -> Standing:
        """There are at least as many slots as this process has, and as many as are taken."""
        return Standing(
            position=row["ahead"] + 1,
            running=row["running"],
            slots=max(self._slots, row["running"]),
            own_position=row["own_ahead"] + 1,
            own_running=row["own_running"],
            cap=self._cap,
        )


def _told(position: int | None, forecast: Forecast | None) -> Place:
    p50_s, p90_s = (ceil(forecast.p50_s), ceil(forecast.p90_s)) if forecast else (None, None)
    return {"position": position, "eta_s": p50_s, "eta_p90_s": p90_s}
