"""What else the bench measures on the running stacks: latencies, reads, streams, one hot account."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atelier_local.bench.contenders import AtelierContender
from atelier_local.bench.latency import RATES, SECONDS, Arrivals, measure_arrivals
from atelier_local.bench.reads import SECONDS as READ_S
from atelier_local.bench.reads import Reads, measure_reads
from atelier_local.bench.streams import FanOut, measure_fan_out
from atelier_local.bench.summary import Spread, spread_of

HOT_IN_FLIGHT, HOT_GENERATIONS = 50, 500


@dataclass(frozen=True, slots=True)
class Details:
    """``hot`` is the rate with one account over the rate with fifty."""

    arrivals: list[Arrivals]
    reads: list[Reads]
    fan_out: FanOut
    hot: Spread

    def sentences(self) -> list[str]:
        """Streams and the hot account, a line each."""
        spreads = spread_of(self.fan_out.spreads_ms)
        return [
            f"one hot account: {self.hot.show(2)} × the rate of fifty, at {HOT_IN_FLIGHT} in flight",
            f"{self.fan_out.listeners} event streams: first to last listener of a generation {spreads.show(0)} ms, "
            f"{self.fan_out.cpu_ms:.1f} ms of the gateway and {self.fan_out.memory_kb:.0f} kB each",
        ]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure_details(
    ateliers: Sequence[AtelierContender], *, rounds: int, scale: float, show: Callable[[str], object]
) -> Details:
    """The first contender is this build; latencies and reads are measured on all of them."""
    show("admission at given rates of arrivals ...")
    arrivals = await measure_arrivals(ateliers, rates=RATES, seconds=max(3.0, SECONDS * scale), rounds=rounds)
    show("status reads ...")
    reads = await measure_reads(ateliers, seconds=READ_S, rounds=rounds)
    show("event streams ...")
    fan_out = await measure_fan_out(ateliers[0])
    show("one hot account ...")
    hot = spread_of([await _hot_ratio(ateliers[0], number, scale) for number in range(rounds)])
    return Details(arrivals, reads, fan_out, hot)


async def _hot_ratio(atelier: AtelierContender, number: int, scale: float) -> float:
    rates: dict[int, float] = {}
    for accounts in (1, len(atelier.keys)) if number % 2 == 0 else (len(atelier.keys), 1):
        count = max(2 * HOT_IN_FLIGHT, round(HOT_GENERATIONS * scale))
        rates[accounts] = (await atelier.load(HOT_IN_FLIGHT, count, accounts=accounts)).per_second
    return rates[1] / rates[len(atelier.keys)]
