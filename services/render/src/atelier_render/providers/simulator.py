"""A provider that pretends: every outcome a real one can have, at will and at once. For tests, demos and measuring."""

import asyncio
import struct
import zlib
from collections import OrderedDict
from typing import get_args

from atelier_contracts import Kind, Simulation
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Outcome,
    Partial,
    Picture,
    ProviderJob,
    Succeeded,
    Unknown,
)

SIDE_PX = 32
REMEMBERED_MAX = 1_000
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Simulator:
    """Obeys ``spec.simulate``. Remembers what it made, so that a lost answer can be asked for again."""

    name = "simulator"
    capabilities = Capabilities(offers=tuple(Offer(kind) for kind in get_args(Kind)), reads_inputs=False)

    def __init__(self, *, attempt_s: float) -> None:
        self._attempt_s = attempt_s
        self._made: OrderedDict[str, Outcome] = OrderedDict()

    async def submit(self, job: ProviderJob) -> Outcome:
        """Waits as long as it is told, then ends as it is told."""
        orders = job.spec.simulate or Simulation()
        if orders.delay_ms:
            await asyncio.sleep(orders.delay_ms / 1_000)
        if orders.outcome == "timeout":
            await asyncio.sleep(self._attempt_s)
        return self.decide(job, orders)

    def decide(self, job: ProviderJob, orders: Simulation) -> Outcome:
        """The outcome itself, without any waiting: pure but for the memory of a lost answer."""
        n = job.spec.n
        match orders.outcome:
            case "succeed":
                return Succeeded(_pictures(job, orders, n), n)
            case "partial":
                made = min(n, max(n - 1, 0) if orders.delivered is None else orders.delivered)
                return Partial(_pictures(job, orders, made), made)
            case "corrupt":
                broken = tuple(_broken(picture) for picture in _pictures(job, orders, n))
                return Succeeded(broken, n)
            case "lost_response":
                self._remember(job.key, Succeeded(_pictures(job, orders, n), n))
                return Unknown()
            case "timeout":
                return Failed("provider_timeout", f"the simulator did not answer within {self._attempt_s:g} s")
            case "fail":
                return Failed("provider_failed", "the simulator was told to fail")

    async def recall(self, job: ProviderJob) -> Outcome:
        """What it made under this key."""
        return self._made.get(job.key, Unknown())

    def _remember(self, key: str, outcome: Outcome) -> None:
        self._made[key] = outcome
        while len(self._made) > REMEMBERED_MAX:
            self._made.popitem(last=False)


def _pictures(job: ProviderJob, orders: Simulation, count: int) -> tuple[Picture, ...]:
    if not orders.picture:
        return ()
    return tuple(Picture(_png(job.spec.seed + index), "image/png", SIDE_PX, SIDE_PX) for index in range(count))


def _broken(picture: Picture) -> Picture:
    return Picture(picture.data[:-20] + bytes(20), picture.content_type, picture.width, picture.height)


def _png(seed: int) -> bytes:
    """A small gradient in a colour told by the seed: the same seed, the same bytes."""
    red, green, blue = (zlib.crc32(f"{seed}/{channel}".encode()) & 0xFF for channel in "rgb")
    rows = (
        b"\x00" + bytes(value for x in range(SIDE_PX) for value in (red, green ^ (4 * x), blue ^ (4 * y)))
        for y in range(SIDE_PX)
    )
    header = struct.pack(">IIBBBBB", SIDE_PX, SIDE_PX, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + _chunk(b"IEND", b"")
    return PNG_SIGNATURE + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
