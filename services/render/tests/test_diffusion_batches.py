"""Which pictures a diffusion model makes together, and their outcome when it fails: without any model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from atelier_render.providers.diffusion.batcher import Batcher, NotMade, Result
from atelier_render.providers.diffusion.engine_process import ModelDied
from atelier_render.providers.diffusion.wire import (
    Batch,
    Broken,
    Drawn,
    Item,
    OutOfMemory,
    Recipe,
    Rejected,
    Stopped,
    frame_command,
    read_command,
)

SQUARE = Recipe("words", 64, 64, 20, 7.5, 0.8)
WIDE = replace(SQUARE, width=128)


def draw(prompt: str) -> Drawn:
    return Drawn(prompt.encode(), "image/png", 64, 64)


@dataclass
class Painter:
    """Paints at once, or as the fields say."""

    made: list[list[str]] = field(default_factory=list)
    holds_max: int = 99
    dies: int = 0
    breaks: bool = False
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event | None = None
    stopped: int = 0

    async def make(
        self, recipe: Recipe, items: Sequence[Item], tell: Callable[[float], None]
    ) -> Batch | OutOfMemory | Broken | Stopped:
        self.made.append([item.prompt for item in items])
        tell(0.5)
        self.busy.set()
        if self.let_go is not None:
            await self.let_go.wait()
        if self.stopped:
            return Stopped(1)
        if self.dies:
            self.dies -= 1
            raise ModelDied("the process with the model died")
        if len(items) > self.holds_max:
            return OutOfMemory(1)
        if self.breaks:
            return Broken(1, "ValueError: no")
        bad = Rejected("invalid_input", "no picture")
        return Batch(1, [bad if item.prompt == "bad" else draw(item.prompt) for item in items])

    async def stop(self) -> None:
        self.stopped += 1
        assert self.let_go is not None
        self.let_go.set()


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
async def batches(painter: Painter) -> AsyncIterator[Batcher]:
    batches = Batcher(painter, batch_max=4, window_s=0.05)
    yield batches
    await batches.close()


def ask(
    batches: Batcher, prompt: str, recipe: Recipe = SQUARE, tell: Callable[[float], None] = lambda _: None
) -> asyncio.Task[Result]:
    return asyncio.create_task(batches.make(recipe, Item(prompt, "", 1, "png"), tell))


async def make_all(batches: Batcher, prompts: str, recipe: Recipe = SQUARE) -> list[Result]:
    return await asyncio.gather(*(ask(batches, prompt, recipe) for prompt in prompts))


async def test_what_is_asked_alike_is_made_together_up_to_a_number(painter: Painter, batches: Batcher) -> None:
    made = await make_all(batches, "abcdef")

    assert made == [draw(prompt) for prompt in "abcdef"]
    assert painter.made == [["a", "b", "c", "d"], ["e", "f"]]


async def test_what_differs_is_made_apart_the_oldest_first(painter: Painter, batches: Batcher) -> None:
    await asyncio.gather(ask(batches, "a", WIDE), ask(batches, "b"), ask(batches, "c", WIDE))

    assert painter.made == [["a", "c"], ["b"]]


async def test_each_hears_of_the_progress_and_a_bad_neighbour_spoils_nothing(batches: Batcher) -> None:
    heard: list[float] = []

    made = await asyncio.gather(ask(batches, "a", tell=heard.append), ask(batches, "bad", tell=heard.append))

    assert list(made) == [draw("a"), Rejected("invalid_input", "no picture")]
    assert heard == [0.5, 0.5]


async def test_what_does_not_fit_is_made_in_halves_and_is_remembered(painter: Painter, batches: Batcher) -> None:
    painter.holds_max = 1

    assert await make_all(batches, "abcd") == [draw(prompt) for prompt in "abcd"]
    await make_all(batches, "ef")

    assert [len(batch) for batch in painter.made] == [4, 2, 1, 1, 1, 1, 1, 1]


async def test_what_does_not_fit_alone_is_not_made(painter: Painter, batches: Batcher) -> None:
    painter.holds_max = 0

    [made] = await make_all(batches, "a")

    assert made == NotMade("the device has too little memory for it just now", passing=True)


async def test_a_death_is_tried_again_once(painter: Painter, batches: Batcher) -> None:
    painter.dies = 1
    assert await make_all(batches, "ab") == [draw("a"), draw("b")]

    painter.dies = 2
    assert await make_all(batches, "c") == [NotMade("the process with the model died", passing=True)]


async def test_what_the_model_breaks_at_is_final(painter: Painter, batches: Batcher) -> None:
    painter.breaks = True

    assert await make_all(batches, "a") == [NotMade("the model broke: ValueError: no", passing=False)]


async def test_a_batch_that_nobody_wants_is_stopped_and_one_that_somebody_wants_goes_on(
    painter: Painter, batches: Batcher
) -> None:
    painter.let_go = asyncio.Event()
    first, second = ask(batches, "a"), ask(batches, "b")
    await painter.busy.wait()

    first.cancel()
    await asyncio.wait([first])
    assert (first.cancelled(), painter.stopped) == (True, 0)
    second.cancel()
    await asyncio.wait([second])

    assert (second.cancelled(), painter.stopped) == (True, 1)


async def test_what_is_cancelled_while_it_waits_is_never_begun(painter: Painter, batches: Batcher) -> None:
    task = ask(batches, "a")
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])
    await make_all(batches, "b")

    assert painter.made == [["b"]]


def test_orders_pass_over_the_pipe_as_they_are() -> None:
    import io

    from atelier_render.providers.diffusion.wire import Make

    order = Make(3, SQUARE, (Item("a", "b", 1, "webp", bytes(range(256)), b"mask"),))

    passed = read_command(io.BytesIO(frame_command(order)))

    assert isinstance(passed, Make)
    assert (passed.number, passed.recipe, list(passed.items)) == (3, SQUARE, list(order.items))
    assert read_command(io.BytesIO()) is None
