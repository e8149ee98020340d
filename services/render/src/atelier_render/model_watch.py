"""Warns the operator of models that end: a metric that counts the days, and the log when this process starts."""

import logging
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from atelier_contracts.model_lifecycles import days_left, lifecycle_of, models_ending_soon, utc_today
from atelier_render.providers.protocol import Provider
from atelier_telemetry import metrics

logger = logging.getLogger(__name__)


def watch_models(providers: Sequence[Provider], today: Callable[[], date] = utc_today) -> None:
    """Counts the days of each model that a provider lists and whose end is announced; the scrape reads the clock."""
    listed = dict.fromkeys(name for p in providers for offer in p.capabilities.offers for name in offer.models)
    ending = [name for name in listed if lifecycle_of(name).gone_on is not None]
    for name in ending:
        metrics.MODEL_DAYS_LEFT.labels(name).set_function(partial(_days_left, name, today))
    for name in models_ending_soon(ending, today=today()):
        known = lifecycle_of(name)
        after = f"{known.successor} makes it from then on" if known.successor else "requests for it fail from then on"
        logger.warning("model %s ends on %s, %s", name, known.gone_on, after)


def _days_left(name: str, today: Callable[[], date]) -> float:
    days = days_left(name, today=today())
    assert days is not None, "only models whose end is announced are watched"
    return days
