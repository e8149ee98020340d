"""The provider diffusers with a real, tiny model in its real process. Where the extra is: ``make test-diffusers``."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from atelier_contracts import InputRef, Owner, RenderSpec
from atelier_contracts.value_objects import Tuning
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.diffusion.settings import DiffusersSettings, missing
from atelier_render.providers.protocol import Failed, Input, Partial, ProviderJob, ProviderOutcome, Succeeded, Transient

from .support.tiny_diffusion import SIZES, save

if missing():
    pytest.skip(f"without {', '.join(missing())}: make test-diffusers runs these", allow_module_level=True)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
async def provider(model: Path) -> AsyncIterator[Diffusers]:
    settings = DiffusersSettings(model=str(model), sizes=SIZES, steps=4, batch_max=3, batch_window_ms=200)
    provider = Diffusers(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other on few processors are slow
        yield provider
    await provider.close()


def picture(colour: tuple[int, int, int], *, hole: bool = False) -> bytes:
    image = Image.new("RGBA", (120, 80), (*colour, 255))
    if hole:
        image.paste((0, 0, 0, 0), (0, 0, 60, 80))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def job(*inputs: Input, heard: list[int] | None = None, **spec: Any) -> ProviderJob:
    refs = tuple(InputRef(role=given.role, key="a/b") for given in inputs)
    asked = RenderSpec(**{"kind": "image", "prompt": "a red chair", "inputs": refs, **spec})
    tell = heard.append if heard is not None else lambda _: None
    return ProviderJob(str(uuid4()), uuid4(), Owner(kind="user", id=uuid4()), asked, inputs, tell)


def pictures_of(outcome: ProviderOutcome) -> list[bytes]:
    assert isinstance(outcome, Succeeded), outcome
    return [picture.data for picture in outcome.pictures]


def apart(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures, in steps of 256."""
    pixels: Sequence[Any] = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float) for data in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


async def test_the_same_request_gives_the_same_bytes_and_every_part_of_it_matters(provider: Diffusers) -> None:
    asked: dict[str, Any] = {"seed": 7}
    others: list[dict[str, Any]] = [
        {"seed": 8},
        {"prompt": "a blue table"},
        {"style": "vivid"},
        {"tuning": Tuning(guidance_scale=15, num_inference_steps=20)},
        {"tuning": Tuning(guidance_scale=7.5, num_inference_steps=21)},
    ]

    first, again = [pictures_of(await provider.submit(job(**asked)))[0] for _ in range(2)]
    differing = [pictures_of(await provider.submit(job(**(asked | other))))[0] for other in others]

    assert first == again
    assert len({first, *differing}) == 1 + len(others)


async def test_pictures_of_a_job_have_seeds_in_a_row_and_progress_is_told(provider: Diffusers) -> None:
    heard: list[int] = []

    three = pictures_of(await provider.submit(job(n=3, seed=1, heard=heard)))
    alone = [pictures_of(await provider.submit(job(seed=seed)))[0] for seed in (1, 2, 3)]

    assert heard == sorted(heard)
    assert {25, 50, 75, 100} <= set(heard)
    # Sums in another order round otherwise; it is the same picture to the eye.
    assert max(apart(first, other) for first, other in zip(three, alone, strict=True)) < 1.5
    assert apart(alone[0], alone[1]) > 5


async def test_jobs_that_are_alike_are_made_together(provider: Diffusers, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, real = [], provider._model.make

    async def count_calls(recipe: Any, items: Any, tell: Any) -> Any:
        sizes.append(len(items))
        return await real(recipe, items, tell)

    monkeypatch.setattr(provider._model, "make", count_calls)
    outcomes = await asyncio.gather(*(provider.submit(job(seed=seed)) for seed in range(4)))

    assert [len(pictures_of(outcome)) for outcome in outcomes] == [1] * 4
    assert sorted(sizes) == [1, 3]


@pytest.mark.parametrize(("size", "image_format"), list(zip(SIZES, ("png", "jpeg", "webp"), strict=True)))
async def test_size_and_format_are_as_asked(provider: Diffusers, size: str, image_format: str) -> None:
    outcome = await provider.submit(job(size=size, format=image_format))

    [data] = pictures_of(outcome)
    with Image.open(io.BytesIO(data)) as image:
        assert (f"{image.width}x{image.height}", (image.format or "").lower()) == (size, image_format)


async def test_edits_and_variations_come_from_the_picture_given(provider: Diffusers) -> None:
    red, blue = Input("image", picture((200, 30, 30))), Input("image", picture((30, 30, 200)))
    gentle = Tuning(strength=0.1, num_inference_steps=20)

    edit = [pictures_of(await provider.submit(job(given, tuning=gentle)))[0] for given in (red, blue, red)]
    varied = pictures_of(await provider.submit(job(red, prompt=None, tuning=gentle)))[0]

    assert edit[0] == edit[2] != edit[1]
    assert varied not in edit
    with Image.open(io.BytesIO(edit[0])) as image:
        assert image.size == (96, 64), "the size shaped most like the picture"


async def test_only_what_the_mask_leaves_open_is_painted_by_the_prompt(provider: Diffusers) -> None:
    given, mask = Input("image", picture((200, 30, 30))), Input("mask", picture((0, 0, 0), hole=True))
    strong = Tuning(strength=1, num_inference_steps=20)

    masked, otherwise = [
        pictures_of(await provider.submit(job(given, mask, prompt=prompt, tuning=strong, seed=seed)))[0]
        for prompt, seed in (("a chair", 1), ("the sea at night", 2))
    ]

    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float) for data in (masked, otherwise))
    difference = np.abs(one - other).mean(axis=2)
    assert difference[:, :32].mean() > 2 * difference[:, 64:].mean()


@pytest.mark.parametrize(
    ("inputs", "spec"),
    [
        ((Input("image", b"no picture"),), {}),
        ((Input("image", picture((9, 9, 9))[:-20] + bytes(20)),), {}),
        ((Input("image", picture((9, 9, 9))), Input("mask", picture((9, 9, 9))[:-20] + bytes(20))), {}),
        ((), {"prompt": ""}),
    ],
)
async def test_what_cannot_be_made_is_said(
    provider: Diffusers, inputs: tuple[Input, ...], spec: dict[str, Any]
) -> None:
    outcome = await provider.submit(job(*inputs, **spec))

    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_input"
    assert pictures_of(await provider.submit(job()))


async def test_a_cancelled_job_stops_between_two_steps_and_the_model_stays_warm(provider: Diffusers) -> None:
    pictures_of(await provider.submit(job()))
    process, heard = provider._model._process, list[int]()
    long = job(tuning=Tuning(num_inference_steps=100), size="64x128", heard=heard)
    task = asyncio.create_task(provider.submit(long))
    while not heard:  # noqa: ASYNC110 - the model is in another process
        await asyncio.sleep(0.005)

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert max(heard) < 100
    assert pictures_of(await provider.submit(job()))
    assert provider._model._process is process


async def test_a_model_that_is_killed_is_loaded_again(provider: Diffusers) -> None:
    before = pictures_of(await provider.submit(job(seed=5)))
    assert provider._model._process is not None
    os.kill(provider._model._process.pid, signal.SIGKILL)
    assert await provider._model._process.stdout.read() == b"", "it is gone"

    assert pictures_of(await provider.submit(job(seed=5))) == before


async def test_a_model_that_is_not_there_is_a_known_outcome(tmp_path: Path) -> None:
    provider = Diffusers(DiffusersSettings(model=str(tmp_path / "nothing"), name="absent"))

    outcome = await provider.submit(job())
    await provider.close()

    assert outcome == Transient("the model absent could not be loaded")


def test_memory_that_does_not_suffice_is_told_from_what_is_broken(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from atelier_render.providers.diffusion.pipelines import NoRoom, Pipelines
    from atelier_render.providers.diffusion.wire import Item, Recipe

    pipelines, recipe = Pipelines.load(model=str(model), device="cpu", dtype="auto"), Recipe("words", 64, 64, 2, 5, 1)

    def raise_out_of_memory(error: Exception) -> None:
        def forward(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(pipelines._pipes["words"].unet, "forward", forward)

    for error in (torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: you tried")):
        raise_out_of_memory(error)
        with pytest.raises(NoRoom):
            pipelines.make(recipe, [Item("a", "", 1, "png")], lambda _: True)
    raise_out_of_memory(RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        pipelines.make(recipe, [Item("a", "", 1, "png")], lambda _: True)


def test_a_withheld_picture_is_a_refusal_and_the_others_are_delivered(model: Path) -> None:
    from atelier_render.providers.diffusion.pipelines import FLAGGED, Pipelines
    from atelier_render.providers.diffusion.wire import Drawn, Item, Recipe, Rejected

    pipelines = Pipelines.load(model=str(model), device="cpu", dtype="auto")
    pipe = pipelines._pipes["words"]
    pipe.run_safety_checker = lambda image, *_: (image, [True, False])

    withheld, other = pipelines.make(
        Recipe("words", 64, 64, 2, 5, 1), [Item("a", "", seed, "png") for seed in (1, 2)], lambda _: True
    )

    assert withheld == Rejected("refused", FLAGGED)
    assert isinstance(other, Drawn)


async def test_the_loop_goes_on_while_the_model_works(provider: Diffusers) -> None:
    pictures_of(await provider.submit(job()))
    beats, task = 0, asyncio.create_task(provider.submit(job(n=3, tuning=Tuning(num_inference_steps=20))))
    while not task.done():
        await asyncio.sleep(0.001)
        beats += 1

    assert isinstance(await task, Succeeded | Partial)
    assert beats > 20
