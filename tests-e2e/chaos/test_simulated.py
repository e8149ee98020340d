"""Histories of session and billing under a virtual clock and a broker that lies; a failing seed can be run again."""

from collections.abc import Iterator

import pytest

from atelier_messaging import testing
from chaos.simulation import simulate


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """URL of a superuser."""
    with testing.postgres("tests-simulation") as url:
        yield url


@pytest.mark.parametrize("seed", [1])
async def test_a_history_of_faults_ends_well(postgres: str, seed: int) -> None:
    wrong, history = await simulate(postgres, seed, steps=100)

    assert wrong == [], "\n".join(history)


async def test_a_seed_is_a_whole_history(postgres: str) -> None:
    assert (await simulate(postgres, 3, steps=40))[1] == (await simulate(postgres, 3, steps=40))[1]
