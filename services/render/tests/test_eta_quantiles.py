"""How long it takes: the rules, without a clock."""

from typing import Any

import pytest

from atelier_contracts import RenderSpec
from atelier_render.eta import quantiles
from atelier_render.eta.quantiles import QueueState
from atelier_render.jobs import Eta
from atelier_render.providers.protocol import Capabilities, Offer

TENS = tuple(float(second) for second in range(1, 11))
CAN = Capabilities(
    (Offer("image", models=("small", "large"), sizes=("64x64",)), Offer("narration")), reads_inputs=False
)


def queue_state(position: int, **told: int) -> QueueState:
    usual = {"running": 4, "slots": 4, "own_position": position, "own_running": 0, "cap": 0}
    return QueueState(position=position, **(usual | told))


def test_a_render_takes_what_half_and_nine_of_ten_of_its_like_took() -> None:
    assert quantiles.of_render(TENS) == Eta(5.0, 9.0)
    assert quantiles.of_render(()) is None


def test_what_has_run_long_is_compared_with_those_that_took_longer() -> None:
    assert quantiles.of_running(TENS, 6.0) == Eta(2.0, 4.0)
    assert quantiles.of_running(TENS, 10.0) is None


def test_who_finds_a_free_slot_waits_for_nothing() -> None:
    assert quantiles.of_waiting((4.0,), (4.0,), queue_state(2, running=2)) == Eta(4.0, 4.0)


@pytest.mark.parametrize(("position", "expected"), [(1, 5.0), (4, 8.0), (40, 44.0)])
def test_a_turn_comes_with_the_ends_before_it_so_many_at_a_time(position: int, expected: float) -> None:
    assert quantiles.of_waiting((4.0,), (4.0,), queue_state(position)) == Eta(expected, expected)


def test_the_wait_is_for_what_is_ahead_and_the_render_is_ones_own() -> None:
    assert quantiles.of_waiting((10.0,), (2.0,), queue_state(8)) == Eta(14.0, 14.0)


def test_nine_of_ten_allows_for_what_is_ahead_to_vary() -> None:
    steady = quantiles.of_waiting((5.0,), (5.0,), queue_state(100))
    varied = quantiles.of_waiting((5.0,), (1.0, 9.0), queue_state(100))

    assert steady and varied
    assert steady.p50_s == varied.p50_s
    assert varied.p90_s > steady.p90_s


def test_an_average_of_few_is_doubted_more_the_longer_the_queue() -> None:
    def doubt_s(known: tuple[float, ...], position: int) -> float:
        told = quantiles.of_waiting((5.0,), known, queue_state(position))
        assert told
        return told.p90_s - told.p50_s

    few, many = (1.0, 9.0), (1.0, 9.0) * 50

    assert doubt_s(few, 400) > 5 * doubt_s(many, 400)
    assert doubt_s(few, 1) < 2 * doubt_s(many, 1)


def test_a_tenant_at_its_cap_waits_for_its_own_to_end() -> None:
    alone = queue_state(1, running=2, slots=8, own_position=3, own_running=2, cap=2)

    assert quantiles.of_waiting((6.0,), (6.0,), alone) == Eta(15.0, 15.0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"kind": "image", "prompt": "a", "model": "small", "n": 1}, "words|small|||1"),
        ({"kind": "image", "prompt": "a", "model": "large", "size": "64x64", "n": 3}, "words|large|64x64||4"),
        ({"kind": "narration", "prompt": "x" * 1000, "model": "made up"}, "||||1024"),
        ({"kind": "narration"}, "||||0"),
        ({"kind": "image", "prompt": "a", "model": "unknown"}, ""),
        ({"kind": "try_on"}, ""),
    ],
)
def test_a_class_is_made_of_offered_words_and_powers_of_two(asked: dict[str, Any], expected: str) -> None:
    assert quantiles.class_of(RenderSpec(**asked), CAN) == expected
