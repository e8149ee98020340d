"""Which pictures are made together: those of one recipe that are asked for within a short window, up to a number."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from atelier_render.providers.diffusion.engine_process import ModelDied, NotLoaded
from atelier_render.providers.diffusion.wire import Batch, Broken, Drawn, Item, OutOfMemory, Recipe, Rejected, Stopped

TRIES_MAX = 2
"""Batches that may die under one picture; after that it may be what kills them."""
STOP_S_MAX = 3.0
"""How long a cancelled call waits for the step under way to end."""


@dataclass(frozen=True, slots=True)
class NotMade:
    """The picture was not made, for certain."""

    reason: str
    passing: bool
    """Whether trying again may help."""


Result = Drawn | Rejected | NotMade


class Maker(Protocol):
    """What makes a batch: ``Model``, or a test's."""

    async def make(
        self, recipe: Recipe, items: Sequence[Item], tell: Callable[[float], None]
    ) -> Batch | OutOfMemory | Broken | Stopped:
        """Raises ModelDied."""

    async def stop(self) -> None:
        """Ends the batch under way."""


@dataclass(eq=False, slots=True)
class _Wanted:
    recipe: Recipe
    item: Item
    tell: Callable[[float], None]
    since: float
    answer: asyncio.Future[Result] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tries: int = 0


class Batches:
    """One batch at a time; the oldest picture decides which."""

    def __init__(self, maker: Maker, *, batch_max: int, window_s: float) -> None:
        self._maker = maker
        self._batch_max = batch_max
        self._window_s = window_s
        self._waiting: list[_Wanted] = []
        self._under_way: list[_Wanted] = []
        self._came = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._fits: dict[Recipe, int] = {}
        """So many at most, where more turned out not to fit into the device."""

    async def make(self, recipe: Recipe, item: Item, tell: Callable[[float], None]) -> Result:
        """One picture. Cancelling takes it out; a batch that nobody wants any more is stopped after its step."""
        wanted = _Wanted(recipe, item, tell, asyncio.get_running_loop().time())
        self._waiting.append(wanted)
        self._came.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="diffusion batches")
        try:
            return await wanted.answer
        except asyncio.CancelledError:
            await self._taken_out(wanted)
            raise

    async def close(self) -> None:
        """Ends what is under way."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self) -> None:
        while self._waiting:
            batch = await self._gathered()
            if batch:
                await self._made(batch)

    async def _gathered(self) -> list[_Wanted]:
        """The oldest and those like it, when there are enough or the oldest has waited long enough."""
        while self._waiting:
            oldest = self._waiting[0]
            most = self._fits.get(oldest.recipe, self._batch_max)
            alike = [one for one in self._waiting if one.recipe == oldest.recipe][:most]
            left_s = oldest.since + self._window_s - asyncio.get_running_loop().time()
            if len(alike) == most or left_s <= 0:
                self._waiting = [one for one in self._waiting if one not in alike]
                return alike
            self._came.clear()
            await _set_within(self._came, left_s)
        return []

    async def _made(self, batch: list[_Wanted]) -> None:
        def tell(fraction: float) -> None:
            for one in batch:
                one.tell(fraction)

        self._under_way = batch
        try:
            said = await self._maker.make(batch[0].recipe, [one.item for one in batch], tell)
        except ModelDied as died:
            self._again_or_not(batch, str(died), tries=TRIES_MAX if isinstance(died, NotLoaded) else 1)
        else:
            self._answered(batch, said)
        finally:
            self._under_way = []

    def _answered(self, batch: list[_Wanted], said: Batch | OutOfMemory | Broken | Stopped) -> None:
        match said:
            case Batch(results=results):
                for one, result in zip(batch, results, strict=True):
                    _answer(one, result)
            case OutOfMemory() if len(batch) > 1:
                self._fits[batch[0].recipe] = len(batch) // 2
                self._waiting = [*batch, *self._waiting]
            case OutOfMemory():
                _answer(batch[0], NotMade("the device has too little memory for it just now", passing=True))
            case Broken(reason=reason):
                for one in batch:
                    _answer(one, NotMade(f"the model broke: {reason}", passing=False))
            case Stopped():
                # Whoever came to want it in the meantime asks for another.
                self._waiting = [*(one for one in batch if not one.answer.done()), *self._waiting]

    def _again_or_not(self, batch: list[_Wanted], reason: str, *, tries: int) -> None:
        for one in batch:
            one.tries += tries
        self._waiting = [*(one for one in batch if one.tries < TRIES_MAX and not one.answer.done()), *self._waiting]
        for one in batch:
            if one.tries >= TRIES_MAX:
                _answer(one, NotMade(reason, passing=True))

    async def _taken_out(self, wanted: _Wanted) -> None:
        self._waiting = [one for one in self._waiting if one is not wanted]
        self._came.set()
        if wanted in self._under_way and all(one.answer.done() for one in self._under_way):
            await self._maker.stop()
        if self._serving is not None and not self._waiting and all(one.answer.done() for one in self._under_way):
            await asyncio.wait([self._serving], timeout=STOP_S_MAX)


def _answer(wanted: _Wanted, result: Result) -> None:
    if not wanted.answer.done():  # cancelled ones are
        wanted.answer.set_result(result)


async def _set_within(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
