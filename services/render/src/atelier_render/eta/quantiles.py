"""Estimates how long renders take from the durations of similar ones. Pure: no clock, no storage.

An estimate is a pair, the median and the 90th percentile; never an average, which one slow render distorts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean, pstdev

from atelier_contracts import RenderSpec
from atelier_render.jobs import Eta
from atelier_render.providers.protocol import Capabilities, mode_of

NINE_OF_TEN_SIGMAS = 1.28
"""Nine of ten values of a bell curve lie below so many deviations above its middle."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Where a waiting job stands. Positions begin with 1; ``cap`` is 0 where its tenant is held to none."""

    position: int
    running: int
    slots: int
    own_position: int
    own_running: int
    cap: int


def of_render(seconds: Sequence[float]) -> Eta | None:
    """For a render that starts now."""
    return Eta(_quantile(seconds, 0.5), _quantile(seconds, 0.9)) if seconds else None


def of_running(seconds: Sequence[float], running_s: float) -> Eta | None:
    """For what has run so long: those that were over by then say nothing any more. None where none took longer."""
    render = of_render([took_s for took_s in seconds if took_s > running_s])
    return render and Eta(render.p50_s - running_s, render.p90_s - running_s)


def of_waiting(seconds: Sequence[float], latest: Sequence[float], standing: QueueState) -> Eta | None:
    """For what waits: its turn comes when as many renders as are ahead of it have ended, ``slots`` of them at a time,
    each taking as long as the ``latest`` ones of all; then its own. A tenant's cap may let others go before."""
    render = of_render(seconds)
    if render is None:
        return None
    ends_before = max(0, standing.position - max(0, standing.slots - standing.running))
    each = latest or seconds
    wait_s = ends_before * fmean(each) / standing.slots
    # What is ahead varies, and its average is only known from so many: over a long queue that is the greater doubt.
    spread_s = sqrt(ends_before + ends_before**2 / len(each)) * pstdev(each) / standing.slots
    if standing.cap:
        own_ends_before = max(0, standing.own_position - max(0, standing.cap - standing.own_running))
        wait_s = max(wait_s, own_ends_before * render.p50_s / standing.cap)
    late_s = sqrt((render.p90_s - render.p50_s) ** 2 + (NINE_OF_TEN_SIGMAS * spread_s) ** 2)
    return Eta(wait_s + render.p50_s, wait_s + render.p50_s + late_s)


def class_of(spec: RenderSpec, can: Capabilities) -> str:
    """What requests of one kind have in common that take about the same time. Made of offered words only, so that
    clients cannot make up classes."""
    offer = next((offer for offer in can.offers if offer.kind == spec.kind and offer.objection(spec) is None), None)
    if offer is None:
        return ""
    asked = ((spec.model, offer.models), (spec.size, offer.sizes), (spec.quality, offer.qualities))
    words = [mode_of(spec) or "", *(value if value and value in offered else "" for value, offered in asked)]
    return "|".join([*words, str(_amount(spec))])


def _amount(spec: RenderSpec) -> int:
    """How much is to be made, by powers of two: pictures, or characters to read; 0 where the text lies elsewhere."""
    units = len(spec.prompt or "") if spec.kind == "narration" else spec.n
    return 1 << (units - 1).bit_length() if units else 0


def _quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[ceil(share * len(values)) - 1]
