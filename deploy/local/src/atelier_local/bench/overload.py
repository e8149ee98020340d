"""What one owner's overload costs another: ratios of the same request, alone and beside it."""

import asyncio
import base64
import io
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from PIL import Image

ATTACKERS = 16
LARGE_SIDE_PX = 7_000
"""49 megapixels, in a file of some 150 KB."""
WRONG_LOGINS_PER_S = 17
"""A thousand a minute."""
BODIES = 8
PHOTOS_A_BODY = 3
PHOTO_SIDE_PX = 1_400
"""Of noise: 5.9 MB as a PNG, 23 MB of body with three of them."""
SAMPLE_S = 0.05
RESET = 0
"""In place of a status: the gateway closed the connection before it had read the body that it refused."""

Ask = Callable[[aiohttp.ClientSession], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class OverloadResult:
    """Medians in milliseconds of the same request alone and beside an overload, and how the overload was answered."""

    alone_ms: float
    beside_ms: float
    overload: Counter[int]

    @property
    def ratio(self) -> float:
        """How many times as long it takes."""
        return self.beside_ms / self.alone_ms


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the gateway, in MB: at rest and at its highest while large bodies were offered; how those were answered."""

    rest_mb: float
    peak_mb: float
    answers: Counter[int]


async def measure_beside_large_pictures(url: str, poor_key: str, key: str, *, samples: int) -> OverloadResult:
    """A tiny picture's intake, alone and while ``ATTACKERS`` requests without credits bring 49 megapixels each."""
    large, tiny = _data_uri(_plain(LARGE_SIDE_PX)), _data_uri(_plain(64))
    attack = _post(f"{url}/v1/generations", poor_key, _edit(large))
    intake = _post(f"{url}/v1/generations", key, _edit(tiny), **{"X-Atelier-Simulate": "outcome=succeed, picture=none"})
    return await _measure_beside(intake, attack, ATTACKERS, samples, pause_s=0.0)


async def measure_beside_wrong_logins(url: str, key: str, *, samples: int) -> OverloadResult:
    """A balance, alone and while a thousand wrong keys a minute come from the same address."""
    guess = _get(f"{url}/v1/credits", "atl_wrong_key_of_a_stranger")
    return await _measure_beside(_get(f"{url}/v1/credits", key), guess, 1, samples, pause_s=1 / WRONG_LOGINS_PER_S)


async def measure_large_bodies(url: str, user_token: str, gateway_pid: int, *, bodies: int = BODIES) -> Memory:
    """The gateway's memory while so many bodies of 23 MB are offered at once."""
    photos = [{"id": str(n), "image": _data_uri(_noise(n))} for n in range(PHOTOS_A_BODY)]
    body = {"photos": photos, "modelId": "123", "backgroundId": "456"}
    post = _post(f"{url}/v1/generate?onmodel", user_token, body, Prefer="respond-async")
    rest, peak = _rss_mb(gateway_pid), [0.0]

    async def watch() -> None:
        while True:
            peak[0] = max(peak[0], _rss_mb(gateway_pid))
            await asyncio.sleep(SAMPLE_S)

    watching = asyncio.create_task(watch())
    async with aiohttp.ClientSession() as session:
        answers = Counter(await asyncio.gather(*(post(session) for _ in range(bodies))))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return Memory(rest, peak[0], answers)


async def _measure_beside(ask: Ask, overload: Ask, attackers: int, samples: int, *, pause_s: float) -> OverloadResult:
    answers: Counter[int] = Counter()
    begun = asyncio.Event()

    async def keep_asking(session: aiohttp.ClientSession) -> None:
        while True:
            answers[await overload(session)] += 1
            begun.set()
            await asyncio.sleep(pause_s)

    async with aiohttp.ClientSession() as session, aiohttp.ClientSession() as other:
        alone = await _median_ms(ask, session, samples)
        asking = [asyncio.create_task(keep_asking(other)) for _ in range(attackers)]
        answered = asyncio.create_task(begun.wait())
        # What is measured before the overload has had an answer is not beside it; one that fails ends the wait, too.
        await asyncio.wait([answered, *asking], return_when=asyncio.FIRST_COMPLETED)
        beside = await _median_ms(ask, session, samples)
        for task in [answered, *asking]:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return OverloadResult(alone, beside, answers)


async def _median_ms(ask: Ask, session: aiohttp.ClientSession, samples: int) -> float:
    took: list[float] = []
    for _ in range(samples):
        began = time.perf_counter()
        status = await ask(session)
        took.append(time.perf_counter() - began)
        if status not in (200, 201):
            raise RuntimeError(f"a good request was answered {status}")
    return statistics.median(took) * 1_000


def _post(url: str, key: str, body: object, **headers: str) -> Ask:
    async def ask(session: aiohttp.ClientSession) -> int:
        try:
            async with session.post(url, json=body, headers={"Authorization": f"Bearer {key}"} | headers) as reply:
                await reply.read()
                return reply.status
        except aiohttp.ClientOSError:
            return RESET

    return ask


def _get(url: str, key: str) -> Ask:
    async def ask(session: aiohttp.ClientSession) -> int:
        async with session.get(url, headers={"Authorization": f"Bearer {key}"}) as reply:
            await reply.read()
            return reply.status

    return ask


def _edit(picture: str) -> dict[str, object]:
    return {"kind": "image", "prompt": "a hat", "inputs": [{"role": "image", "data": picture}]}


def _plain(side: int) -> bytes:
    return _png(Image.new("RGB", (side, side), "teal"))


def _noise(seed: int) -> bytes:
    size = PHOTO_SIDE_PX, PHOTO_SIDE_PX
    return _png(Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * PHOTO_SIDE_PX**2)))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _rss_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1_024


def lines(pictures: OverloadResult, logins: OverloadResult, memory: Memory) -> Sequence[str]:
    """What the three measurements say, a line each."""
    return (
        f"overload: a tiny picture beside {ATTACKERS} intakes of 49 megapixels without credits takes "
        f"{pictures.ratio:.2f} x its time alone ({pictures.alone_ms:.0f} ms; the others were answered "
        f"{_last_state(pictures)})",
        f"overload: a good key beside 1 000 wrong logins a minute from its address takes {logins.ratio:.2f} x its "
        f"time alone ({logins.alone_ms:.1f} ms; the others were answered {_last_state(logins)})",
        f"overload: {BODIES} bodies of 23 MB at once: the gateway at {memory.rest_mb:.0f} MB rises to "
        f"{memory.peak_mb:.0f} MB, answers {dict(sorted(memory.answers.items()))}",
    )


def _last_state(beside: OverloadResult) -> dict[int, int]:
    return dict(sorted(beside.overload.items()))
