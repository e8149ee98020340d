"""The local provider makes every kind of picture, and each part of an order decides over it."""

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image, ImageDraw, ImageFilter

from atelier_contracts import Owner, RenderSpec
from atelier_imaging import ImageWorkers
from atelier_render.providers import offers_table as table
from atelier_render.providers.local.images import OFFER_OF, OFFERS, Local, order_of
from atelier_render.providers.protocol import Failed, Input, ProviderJob, ProviderOutcome, Succeeded

Ordered = Callable[[str], Awaitable[list[str]]]
DOCUMENT = Path(__file__).parents[3] / "docs" / "providers" / "providers.md"


def picture(colour: tuple[int, int, int], format_: str = "PNG") -> bytes:
    """A shirt of one colour on plain ground."""
    image = Image.new("RGB", (240, 280), (240, 239, 235))
    left = [(96, 20), (64, 32), (12, 96), (40, 116), (66, 92), (66, 264)]
    ImageDraw.Draw(image).polygon([*left, *((240 - x, y) for x, y in reversed(left))], fill=colour)
    out = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(1)).save(out, format_)
    return out.getvalue()


RED, BLUE = picture((180, 30, 40)), picture((30, 60, 170))
SPECS: dict[str, dict[str, Any]] = {
    "image": {"kind": "image", "size": "256x256", "prompt": "a lake"},
    "edit": {"kind": "image", "size": "256x256", "prompt": "a red sunset"},
    "variation": {"kind": "image", "size": "256x256"},
    "product_shot": {"kind": "product_shot", "size": "1:1", "prompt": "summer"},
    "on_model": {"kind": "on_model", "quality": "low", "mannequin": "123", "background": "456"},
    "flat_lay": {"kind": "flat_lay", "quality": "low", "background": "458"},
    "try_on": {"kind": "try_on"},
}
INPUTS: dict[str, tuple[Input, ...]] = {
    "image": (),
    "edit": (Input("image", RED),),
    "variation": (Input("image", RED),),
    "product_shot": (Input("product", RED),),
    "on_model": (Input("photo", RED),),
    "flat_lay": (Input("photo", RED),),
    "try_on": (Input("person", BLUE), Input("garment", RED)),
}


@pytest.fixture(scope="module")
def local(images: ImageWorkers) -> Local:
    return Local(images)


def job(case: str, *inputs: Input, **changed: Any) -> ProviderJob:
    spec = RenderSpec(**({"seed": 1} | SPECS[case] | changed))
    return ProviderJob("key", uuid4(), Owner(kind="user", id=uuid4()), spec, inputs or INPUTS[case])


@pytest.fixture(scope="module")
def ordered(local: Local) -> Ordered:
    """The checksums of a case as it stands, made once for all tests that compare with it."""
    made: dict[str, list[str]] = {}

    async def make_once(case: str) -> list[str]:
        if case not in made:
            made[case] = checksums(await local.submit(job(case)))
        return made[case]

    return make_once


def checksums(outcome: ProviderOutcome) -> list[str]:
    assert isinstance(outcome, Succeeded)
    return [str(made.sha256) for made in outcome.pictures]


@pytest.mark.parametrize("case", SPECS)
async def test_every_kind_is_made_and_made_the_same_again(case: str, local: Local, ordered: Ordered) -> None:
    first, second = await ordered(case), checksums(await local.submit(job(case)))

    assert first == second
    assert len(first) == 1


@pytest.mark.parametrize("case", SPECS)
async def test_another_seed_and_another_prompt_are_other_pictures(case: str, local: Local, ordered: Ordered) -> None:
    original = await ordered(case)
    reseeded, reworded = [
        checksums(await local.submit(job(case, **changed))) for changed in ({"seed": 2}, {"prompt": "green night"})
    ]

    assert original != reseeded
    assert original != reworded


@pytest.mark.parametrize("case", [case for case in SPECS if INPUTS[case]])
async def test_another_photograph_is_another_picture(case: str, local: Local, ordered: Ordered) -> None:
    other = tuple(Input(given.role, BLUE if given.data == RED else RED) for given in INPUTS[case])

    assert await ordered(case) != checksums(await local.submit(job(case, *other)))


@pytest.mark.parametrize("case", ["image", "product_shot"])
async def test_another_style_is_another_picture(case: str, local: Local) -> None:
    styles = OFFER_OF[SPECS[case]["kind"]].styles
    made = [checksums(await local.submit(job(case, style=style)))[0] for style in styles]

    assert len(set(made)) == len(styles)


async def test_n_pictures_are_n_different_ones_and_progress_is_told(local: Local) -> None:
    told: list[int] = []
    several = job("image", n=3)
    several = ProviderJob(several.key, several.generation_id, several.owner, several.spec, (), told.append)

    assert len(set(checksums(await local.submit(several)))) == 3
    assert told == [33, 66, 100]


async def test_each_quality_of_a_picture_is_another_picture(local: Local) -> None:
    qualities = ("low", "hd", "xhigh", "max")
    made = [await local.submit(job("image", size="1024x1024", quality=quality)) for quality in qualities]

    assert len({checksums(outcome)[0] for outcome in made}) == len(qualities)


async def test_a_request_with_more_pictures_than_are_taken_is_not_offered() -> None:
    inputs = tuple({"role": "image", "key": str(number)} for number in range(17))

    assert Local.capabilities.objection(RenderSpec(**SPECS["edit"], inputs=inputs[:16])) is None
    objection = Local.capabilities.objection(RenderSpec(**SPECS["edit"], inputs=inputs))
    assert objection == "it takes at most 16 pictures for image"


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "avif"])
async def test_every_format_offered_is_written(image_format: str, local: Local) -> None:
    outcome = await local.submit(job("image", format=image_format))

    assert isinstance(outcome, Succeeded)
    (made,) = outcome.pictures
    assert made.content_type == f"image/{image_format}"
    assert Image.open(io.BytesIO(made.data)).size == (256, 256) == (made.width, made.height)


async def test_the_largest_picture_is_written_in_the_format_that_takes_longest(local: Local) -> None:
    outcome = await local.submit(job("image", format="avif", size="3840x2160"))

    assert isinstance(outcome, Succeeded)
    (made,) = outcome.pictures
    assert Image.open(io.BytesIO(made.data)).size == (3840, 2160) == (made.width, made.height)


@pytest.mark.parametrize(
    ("case", "changed", "sides"),
    [
        ("image", {"size": None}, (1024, 1024)),
        ("image", {"size": "1792x1024"}, (1792, 1024)),
        ("image", {"size": "3840x2160"}, (3840, 2160)),
        ("edit", {"size": None}, (0, 0)),
        ("product_shot", {"size": None}, (1024, 1024)),
        ("product_shot", {"size": "16:9"}, (1024, 576)),
        ("product_shot", {"size": "9:16", "quality": "ultra"}, (864, 1536)),
        ("product_shot", {"size": "3:2", "quality": "high"}, (1280, 853)),
        ("product_shot", {"size": "1024x1536"}, (1024, 1536)),
        ("on_model", {"quality": None}, (1024, 1536)),
        ("on_model", {"quality": "low"}, (512, 768)),
        ("flat_lay", {"quality": "medium"}, (1024, 1024)),
        ("try_on", {}, (0, 0)),
    ],
)
def test_sizes_mean_pixels(case: str, changed: dict[str, Any], sides: tuple[int, int]) -> None:
    spec = RenderSpec(**(SPECS[case] | changed), inputs=({"role": "image", "key": "k"},) if INPUTS[case] else ())

    order = order_of(spec, 0)

    assert (order.width, order.height) == sides


@pytest.mark.parametrize(
    ("case", "changed", "inputs", "reason"),
    [
        ("product_shot", {}, (Input("model", RED),), "a product_shot needs at least one product photo"),
        ("on_model", {"mannequin": "nobody"}, (), "there is no mannequin nobody"),
        ("flat_lay", {"background": "nowhere"}, (), "there is no background nowhere"),
        ("edit", {}, (Input("image", b"GIF89a"),), "Image photo 1: The GIF image is truncated."),
        ("edit", {}, (*INPUTS["edit"], Input("mask", b"GIF89a")), "Mask photo: The GIF image is truncated."),
    ],
)  # fmt: skip
async def test_what_cannot_be_made_is_refused_in_words(
    case: str, changed: dict[str, Any], inputs: tuple[Input, ...], reason: str, local: Local
) -> None:
    assert await local.submit(job(case, *inputs, **changed)) == Failed("invalid_input", reason)


@pytest.mark.parametrize(
    ("case", "changed", "objection"),
    [
        ("image", {"size": "300x300"}, "the size of image is one of 1024x1024"),
        ("image", {"style": "realistic"}, "the style of image is one of natural, vivid"),
        ("product_shot", {"quality": "hd"}, "the quality of product_shot is one of standard, high, ultra, not hd"),
        ("on_model", {"size": "256x256"}, "the size of on_model is one of 2:3"),
    ],
)
def test_what_is_not_declared_is_objected_to(case: str, changed: dict[str, Any], objection: str) -> None:
    said = Local.capabilities.objection(RenderSpec(**(SPECS[case] | changed)))

    assert said is not None
    assert said.startswith(objection)


def test_everything_declared_is_taken() -> None:
    for offer in OFFERS:
        for field, choices in (
            ("size", offer.sizes), ("style", offer.styles), ("quality", offer.qualities), ("format", offer.formats)
        ):  # fmt: skip
            for choice in choices:
                spec = RenderSpec(kind=offer.kind, **{field: choice})
                assert Local.capabilities.objection(spec) is None
                assert order_of(spec, 0).kind == offer.kind


def test_the_documented_table_is_what_is_declared() -> None:
    assert DOCUMENT.read_text() == table.document(), "run python -m atelier_render.providers.offers_table"
