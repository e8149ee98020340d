"""What this process knows of how long renders take: it learns from what it ends, shares that with its fellows through
a small table, and measures how good its estimates were.

Measurements are kept in memory and exchanged every few seconds: no claim and no ending waits for them, and a crash
loses some, which changes nothing.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from atelier_contracts import RenderSpec
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.eta import quantiles
from atelier_render.jobs import Attempt, Completion, Eta
from atelier_render.providers.protocol import Provider
from atelier_render.providers.selection import candidates
from atelier_render.store import Measured
from atelier_telemetry import metrics

EXCHANGE_EVERY_S = 5.0
MEASURED_MIN = 5
"""Fewer of its own class say less than all of its kind."""
NEWS_MAX = 1_000
ALL = ("", "", "")
"""Under which the latest renders of all are kept, whatever they were."""
Key = tuple[str, str, str]


class EtaEstimator:
    """How long renders take in this installation."""

    def __init__(self, pool: Pool, providers: Sequence[Provider], simulator: Provider | None) -> None:
        self._pool = pool
        self._providers = providers
        self._simulator = simulator
        self._durations: Mapping[Key, Sequence[float]] = {}
        self._news: list[Measured] = []

    def estimate(self, spec: RenderSpec) -> Eta | None:
        """For a render that starts now; None where nothing like it has been measured."""
        return quantiles.of_render(self.like(spec))

    def like(self, spec: RenderSpec) -> Sequence[float]:
        """How many seconds the latest renders like it took: by the provider that will be called first, of its kind and
        class, or of its kind alone while those are few."""
        provider = self._first_candidate(spec)
        if provider is None:
            return ()
        own = self._durations.get((provider.name, spec.kind, quantiles.class_of(spec, provider.capabilities)), ())
        return own if len(own) >= MEASURED_MIN else self._durations.get((provider.name, spec.kind, ""), ())

    def latest(self) -> Sequence[float]:
        """How many seconds the latest renders took, of whatever kind."""
        return self._durations.get(ALL, ())

    def record_duration(self, attempt: Attempt, ending: Completion) -> None:
        """Records the duration of a successful render and how good its estimates were."""
        if ending.reused or attempt.job.owner.is_test:
            return
        job, took_s = attempt.job, time.monotonic() - attempt.begun
        if attempt.eta:
            _tell("started", attempt.eta, took_s)
        if job.promise:
            _tell("queued", job.promise.eta, job.promise.age_s + took_s)
        if len(self._news) < NEWS_MAX:
            self._news += [(*key, took_s) for key in self._keys(job.spec, ending.provider)]

    async def exchange(self) -> None:
        """Writes down what was learnt here, reads what was learnt everywhere."""
        news, self._news = self._news, []
        if news:
            await store.add_durations(self._pool, news)
        self._durations = await store.durations(self._pool)

    def _first_candidate(self, spec: RenderSpec) -> Provider | None:
        if self._simulator and spec.simulate:
            return self._simulator
        return next(iter(candidates(self._providers, spec)), None)

    def _keys(self, spec: RenderSpec, name: str) -> set[Key]:
        """Everything that a render counts for."""
        maker = next((p for p in (*self._providers, self._simulator) if p and p.name == name), None)
        own = quantiles.class_of(spec, maker.capabilities) if maker else ""
        return {ALL, (name, spec.kind, ""), (name, spec.kind, own)}


def _tell(told: Literal["queued", "started"], eta: Eta, took_s: float) -> None:
    metrics.ETA_RATIO.labels(told).observe(took_s / max(eta.p50_s, 0.001))
    metrics.ETA_KEPT.labels(told, "yes" if took_s <= eta.p90_s else "no").inc()
