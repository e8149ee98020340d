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
async def test_a_history_of_faults_ends_well_and_can_be_lived_again(postgres: str, seed: int) -> None:
    wrong, history = await simulate(postgres, seed, steps=80)

    assert wrong == [], "\n".join(history)
    assert (await simulate(postgres, seed, steps=80))[1] == history
