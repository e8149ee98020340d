"""Counters that raise an alert begin at 0: Prometheus sees no increase in a series that begins at 1."""

from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from atelier_messaging.consumer import Consumer
from atelier_messaging.publisher import Publisher


def test_a_queue_has_its_counter_of_dead_letters_before_it_has_one() -> None:
    queue = f"test.{uuid4()}"
    unused: Any = None
    assert REGISTRY.get_sample_value("atelier_dead_letters_total", {"queue": queue}) is None

    Consumer(queue, unused, unused, unused)

    assert REGISTRY.get_sample_value("atelier_dead_letters_total", {"queue": queue}) == 0


@pytest.mark.parametrize("outcome", ["confirmed", "unroutable", "unknown"])
def test_each_outcome_of_publishing_has_its_counter_before_anything_is_published(outcome: str) -> None:
    Publisher("amqp://127.0.0.1/", "test")

    assert REGISTRY.get_sample_value("atelier_messages_published_total", {"outcome": outcome}) is not None
