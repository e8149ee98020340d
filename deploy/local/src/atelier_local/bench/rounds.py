"""Rounds: contenders in turn at each level, in another order each time, so that the machine's load meets all alike."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from atelier_local.bench.contenders import Contender, Sample, machine_load

GENERATIONS = {1: 100, 8: 400, 50: 1_000, 200: 1_500}
"""A round's length by level: some seconds each."""
GENERATIONS_MIN = 40


async def run_rounds(
    contenders: Sequence[Contender],
    *,
    levels: Sequence[int],
    rounds: int,
    scale: float,
    show: Callable[[Sample], object],
) -> list[Sample]:
    """Each contender at each level in each round; ``scale`` shortens or lengthens them all, ``show`` receives each."""
    samples: list[Sample] = []
    for number in range(rounds):
        for level in levels:
            order = contenders if number % 2 == 0 else contenders[::-1]
            for contender in order:
                sample = await contender.run(level, generations_of(level, scale))
                if sample is not None:
                    samples.append(replace(sample, round=number, load=machine_load()))
                    show(samples[-1])
    return samples


def generations_of(level: int, scale: float) -> int:
    """How many a round has at that level."""
    nearest = min(GENERATIONS, key=lambda known: abs(known - level))
    return max(GENERATIONS_MIN, 2 * level, round(GENERATIONS[nearest] * scale))
