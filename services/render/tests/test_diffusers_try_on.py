"""Try-ons by the provider diffusers with a tiny inpainting model. Where the extra is: ``make test-diffusers``."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest
from PIL import Image

from atelier_contracts import InputRef, Owner, RenderSpec
from atelier_contracts.value_objects import Tuning
from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.garment_mask import mask_garments
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.pictures import ImageRefused
from atelier_imaging.sample_garments import sample_garment
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.diffusion.settings import DiffusersSettings, missing
from atelier_render.providers.protocol import Failed, Input, ProviderJob, ProviderOutcome, Succeeded

from .support.provider_subjects import PERSON
from .support.tiny_diffusion import SIZES, save

if missing():
    pytest.skip(f"without {', '.join(missing())}: make test-diffusers runs these", allow_module_level=True)
pytestmark = pytest.mark.timeout(300)
cv2.setNumThreads(1)  # as in the model's process: sums in another order would be other masks


@pytest.fixture(scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Diffusers]:
    model = save(tmp_path_factory.mktemp("model"), inpainting=True)
    words = "a pair"  # short, for the tiny model reads 77 letters
    settings = DiffusersSettings(
        model=str(model), sizes=SIZES, steps=2, batch_window_ms=200, modes=(), try_on=True, try_on_prompt=words
    )
    provider = Diffusers(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other on few processors are slow
        yield provider
    await provider.close()


def garment(name: str) -> Input:
    out = io.BytesIO()
    Image.fromarray(sample_garment(name).rgb).save(out, "PNG")
    return Input("garment", out.getvalue())


def job(*inputs: Input, heard: list[int] | None = None, **spec: Any) -> ProviderJob:
    refs = tuple(InputRef(role=given.role, key="a/b") for given in inputs)
    asked = RenderSpec(**{"kind": "try_on", "inputs": refs, "seed": 7, **spec})
    tell = heard.append if heard is not None else lambda _: None
    return ProviderJob(str(uuid4()), uuid4(), Owner(kind="user", id=uuid4()), asked, inputs, tell)


def pictures_of(outcome: ProviderOutcome) -> list[bytes]:
    assert isinstance(outcome, Succeeded), outcome
    return [picture.data for picture in outcome.pictures]


def pixels(data: bytes) -> Pixels:
    photo = normalise(data)
    assert isinstance(photo, Photo)
    return photo.rgb


def mask_of(*garments: Input) -> Plane:
    """Where any of them goes on the person."""
    read = [normalise(given.data) for given in garments]
    masks = mask_garments(pixels(STANDING.data), [photo for photo in read if isinstance(photo, Photo)])
    assert not isinstance(masks, ImageRefused), masks
    return np.asarray(np.max([mask.plane for mask in masks], axis=0), np.float32)


STANDING = Input("person", PERSON.read_bytes())


def test_only_try_ons_are_offered_by_a_model_for_them_alone(provider: Diffusers) -> None:
    assert provider.capabilities.kinds == {"try_on"}


async def test_only_the_garments_region_is_painted_and_every_other_pixel_is_the_photographs(
    provider: Diffusers,
) -> None:
    shirt, person = garment("striped"), pixels(STANDING.data)

    [made] = map(pixels, pictures_of(await provider.submit(job(STANDING, shirt))))

    mask = mask_of(shirt)
    assert made.shape == person.shape
    assert np.array_equal(made[mask == 0], person[mask == 0])
    changed = (made != person).any(axis=2)
    assert changed[mask > 0.5].mean() > 0.9
    assert 0.03 < changed.mean() < 0.4


async def test_two_garments_are_put_on_one_after_another_and_progress_covers_both(provider: Diffusers) -> None:
    shirt, trousers, heard, alone = garment("striped"), garment("trousers"), list[int](), list[int]()
    person = pixels(STANDING.data)

    [both] = map(pixels, pictures_of(await provider.submit(job(STANDING, shirt, trousers, heard=heard))))
    [one] = map(pixels, pictures_of(await provider.submit(job(STANDING, shirt, heard=alone))))

    mask, trousers_alone = mask_of(shirt, trousers), (mask_of(trousers) > 0.5) & (mask_of(shirt) == 0)
    assert np.array_equal(both[mask == 0], person[mask == 0])
    assert (both != person).any(axis=2)[trousers_alone].mean() > 0.9
    assert np.array_equal(one[trousers_alone], person[trousers_alone])
    assert (heard, alone) == ([25, 50, 75, 100], [50, 100])


async def test_the_same_seed_gives_the_same_bytes_and_every_part_of_the_request_matters(provider: Diffusers) -> None:
    shirt = garment("striped")
    others = [
        job(STANDING, shirt, seed=8),
        job(STANDING, shirt, prompt="in the evening"),
        job(STANDING, garment("plain")),
        job(STANDING, shirt, tuning=Tuning(num_inference_steps=20)),
    ]

    first, again = [pictures_of(await provider.submit(job(STANDING, shirt)))[0] for _ in range(2)]
    outcomes = await asyncio.gather(*map(provider.submit, others))

    assert first == again
    assert len({first, *(pictures_of(outcome)[0] for outcome in outcomes)}) == 1 + len(others)


async def test_the_n_pictures_of_a_job_have_seeds_in_a_row_and_one_mask(provider: Diffusers) -> None:
    shirt, person = garment("plain"), pixels(STANDING.data)

    made = [pixels(data) for data in pictures_of(await provider.submit(job(STANDING, shirt, n=2)))]

    mask = mask_of(shirt)
    assert all(np.array_equal(picture[mask == 0], person[mask == 0]) for picture in made)
    assert not np.array_equal(made[0], made[1])


async def test_the_person_is_the_first_photograph_where_no_role_says_so(provider: Diffusers) -> None:
    shirt = garment("striped")

    by_role = pictures_of(await provider.submit(job(shirt, STANDING)))
    by_place = pictures_of(await provider.submit(job(Input("photo", STANDING.data), shirt)))

    assert by_role == by_place


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((Input("person", garment("checked").data), garment("plain")), "no person in the photo"),
        ((STANDING,), "at least one of a garment"),
        ((STANDING, Input("garment", b"no picture")), "input 2 (garment) is not a PNG, JPEG or WebP picture"),
        ((STANDING, Input("garment", garment("plain").data[:-20] + bytes(20))), "Garment photo 1"),
        ((Input("person", STANDING.data[:2_000]), garment("plain")), "Person photo"),
    ],
)
async def test_what_cannot_be_dressed_is_said(provider: Diffusers, inputs: tuple[Input, ...], words: str) -> None:
    outcome = await provider.submit(job(*inputs))

    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_input"
    assert words in outcome.reason


async def test_who_cannot_be_dressed_spoils_nothing_for_those_in_the_same_batch(provider: Diffusers) -> None:
    shirt, a_shirt = garment("plain"), Input("person", garment("checked").data)

    refused, dressed = await asyncio.gather(provider.submit(job(a_shirt, shirt)), provider.submit(job(STANDING, shirt)))

    assert isinstance(refused, Failed)
    assert len(pictures_of(dressed)) == 1


def test_a_picture_withheld_at_the_first_garment_is_a_refusal(tmp_path: Path) -> None:
    from atelier_render.providers.diffusion.pipelines import FLAGGED, Pipelines
    from atelier_render.providers.diffusion.wire import Drawn, Item, Recipe, Rejected

    pipelines = Pipelines.load(model=str(save(tmp_path)), device="cpu", dtype="auto")
    recipe = Recipe("try_on", 64, 64, 2, 5, 1, garments=2)
    pipe, turns = pipelines._pipe(recipe), list[int]()

    def check(image: Any, *_: Any) -> Any:
        turns.append(len(image))
        return image, [len(turns) == 1 and place == 0 for place in range(len(image))]

    pipe.run_safety_checker = check
    worn = garment("plain").data, garment("trousers").data
    items = [Item("a", "", seed, "png", STANDING.data, garments=worn) for seed in (1, 2)]
    withheld, other = pipelines.make(recipe, items, lambda _: True)

    assert withheld == Rejected("refused", FLAGGED)
    assert isinstance(other, Drawn)
    assert turns == [2, 1]


def test_a_photograph_of_another_shape_is_seen_whole_and_changed_only_inside_the_mask() -> None:
    from atelier_render.providers.diffusion.side_by_side import Fitting, Window, _window, pair, put_on
    from atelier_render.providers.diffusion.wire import Recipe

    recipe, person = Recipe("try_on", 96, 64, 2, 5, 1), np.full((300, 90, 3), 120, np.uint8)
    mask = np.zeros((300, 90), np.float32)
    mask[40:280, 20:70] = 1
    fitting = Fitting(Image.new("RGB", (10, 10)), mask, _window(mask, (96, 64)))

    given = pair(recipe, person, fitting)
    made = put_on(person, fitting, Image.new("RGB", (192, 64), (255, 0, 0)))

    assert fitting.window == Window(-180, 0, 450, 300)
    assert given["image"].size == given["mask_image"].size == (192, 64)
    assert np.asarray(given["mask_image"])[:, :96].max() == 0, "the garment's half is never painted"
    assert (np.asarray(given["mask_image"])[:, 96:] > 0).any()
    assert (made[mask > 0] == (255, 0, 0)).all()
    assert (made[mask == 0] == 120).all()
