"""Which pictures are made together: those of one recipe that are requested within a short window, up to a number."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from atelier_messaging import wait_event
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
    """What makes a batch: ``EngineProcess``, or a test's."""

    async def make(
        self, recipe: Recipe, items: Sequence[Item], tell: Callable[[float], None]
    ) -> Batch | OutOfMemory | Broken | Stopped:
        """Raises ModelDied."""

    async def stop(self) -> None:
        """Ends the batch under way."""


@dataclass(eq=False, slots=True)
class _PendingItem:
    recipe: Recipe
    item: Item
    tell: Callable[[float], None]
    since: float
    answer: asyncio.Future[Result] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tries: int = 0


class Batcher:
    """One batch at a time; the oldest picture decides which."""

    def __init__(self, maker: Maker, *, batch_max: int, window_s: float) -> None:
        self._maker = maker
        self._batch_max = batch_max
        self._window_s = window_s
        self._waiting: list[_PendingItem] = []
        self._under_way: list[_PendingItem] = []
        self._came = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._fits: dict[Recipe, int] = {}
        """So many at most, where more turned out not to fit into the device."""

    async def make(self, recipe: Recipe, item: Item, tell: Callable[[float], None]) -> Result:
        """One picture. Cancelling takes it out; a batch without a waiting caller is stopped after its step."""
        wanted = _PendingItem(recipe, item, tell, asyncio.get_running_loop().time())
        self._waiting.append(wanted)
        self._came.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="diffusion batches")
        try:
            return await wanted.answer
        except asyncio.CancelledError:
            await self._withdraw(wanted)
            raise

    async def close(self) -> None:
        """Ends what is under way."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self) -> None:
        while self._waiting:
            batch = await self._gather_batch()
            if batch:
                await self._make_batch(batch)

    async def _gather_batch(self) -> list[_PendingItem]:
        """The oldest and those like it, when there are enough or the oldest has waited long enough."""
        while self._waiting:
            oldest = self._waiting[0]
            most = self._fits.get(oldest.recipe, self._batch_max)
            alike = [waiting for waiting in self._waiting if waiting.recipe == oldest.recipe][:most]
            remaining_s = oldest.since + self._window_s - asyncio.get_running_loop().time()
            if len(alike) == most or remaining_s <= 0:
                self._waiting = [waiting for waiting in self._waiting if waiting not in alike]
                return alike
            self._came.clear()
            await wait_event(self._came, remaining_s)
        return []

    async def _make_batch(self, batch: list[_PendingItem]) -> None:
        def tell(fraction: float) -> None:
            for waiting in batch:
                waiting.tell(fraction)

        self._under_way = batch
        try:
            said = await self._maker.make(batch[0].recipe, [waiting.item for waiting in batch], tell)
        except ModelDied as error:
            self._retry_or_fail(batch, str(error), tries=TRIES_MAX if isinstance(error, NotLoaded) else 1)
        else:
            self._deliver_results(batch, said)
        finally:
            self._under_way = []

    def _deliver_results(self, batch: list[_PendingItem], said: Batch | OutOfMemory | Broken | Stopped) -> None:
        match said:
            case Batch(results=results):
                for waiting, result in zip(batch, results, strict=True):
                    _answer(waiting, result)
            case OutOfMemory() if len(batch) > 1:
                self._fits[batch[0].recipe] = len(batch) // 2
                self._waiting = [*batch, *self._waiting]
            case OutOfMemory():
                _answer(batch[0], NotMade("the device has too little memory for it just now", passing=True))
            case Broken(reason=reason):
                for waiting in batch:
                    _answer(waiting, NotMade(f"the model broke: {reason}", passing=False))
            case Stopped():
                # Whoever came to want it in the meantime asks for another.
                self._waiting = [*(waiting for waiting in batch if not waiting.answer.done()), *self._waiting]

    def _retry_or_fail(self, batch: list[_PendingItem], reason: str, *, tries: int) -> None:
        for waiting in batch:
            waiting.tries += tries
        self._waiting = [
            *(waiting for waiting in batch if waiting.tries < TRIES_MAX and not waiting.answer.done()),
            *self._waiting,
        ]
        for waiting in batch:
            if waiting.tries >= TRIES_MAX:
                _answer(waiting, NotMade(reason, passing=True))

    async def _withdraw(self, wanted: _PendingItem) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting is not wanted]
        self._came.set()
        if wanted in self._under_way and all(waiting.answer.done() for waiting in self._under_way):
            await self._maker.stop()
        if (
            self._serving is not None
            and not self._waiting
            and all(waiting.answer.done() for waiting in self._under_way)
        ):
            await asyncio.wait([self._serving], timeout=STOP_S_MAX)


def _answer(wanted: _PendingItem, result: Result) -> None:
    if not wanted.answer.done():  # cancelled ones are
        wanted.answer.set_result(result)
