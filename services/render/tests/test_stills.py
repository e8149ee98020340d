"""Providers see one upright sRGB still of each picture, whatever came; what arrives there is looked at."""

import base64
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from opentelemetry.trace import INVALID_SPAN
from PIL import Image

from atelier_contracts import InputRef, Owner, RenderSpec
from atelier_imaging.pool import ImageWorkers
from atelier_provider_simulator.control import Control
from atelier_provider_simulator.pictures import describe_upload
from atelier_provider_simulator.plans import UploadedImage
from atelier_render.execution.input_normaliser import InputNormaliser
from atelier_render.execution.inputs import InputRefused
from atelier_render.execution.progress import Progress
from atelier_render.jobs import Attempt, Completion, Job
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.outputs.spool import Spool
from atelier_render.providers.google.provider import Google
from atelier_render.providers.local.images import OFFERS
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import Capabilities, Input, ProviderJob, ProviderOutcome, Succeeded
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_storage.keys import upload_key

from .support.http_team import Team, run_team
from .support.provider_script import OK, Scripted
from .support.world import MemoryStore, worker_of

WIDTH, HEIGHT = 64, 48
SCENE = Image.fromarray(np.random.default_rng(5).integers(90, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8))
TURNED = Image.Exif()
TURNED[0x0112] = 6
TURNED[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}


def file(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def phone() -> Image.Image:
    """As it lies in the file of a phone that was held upright."""
    return SCENE.transpose(Image.Transpose.ROTATE_90)


def half_mask(*, kind: str = "alpha") -> bytes:
    """The left half marked, as it lies before a picture of the phone."""
    left = np.zeros((HEIGHT, WIDTH), np.uint8)
    left[:, : WIDTH // 2] = 255
    if kind == "light":
        return file(Image.fromarray(left), "PNG")
    return file(Image.merge("RGBA", [*SCENE.split(), Image.fromarray(255 - left)]), "PNG")


PICTURES = {
    "turned JPEG": file(phone(), "JPEG", exif=TURNED.tobytes()),
    "turned MPO": file(phone(), "MPO", exif=TURNED.tobytes(), save_all=True, append_images=[phone().resize((24, 32))]),
    "CMYK": file(SCENE.convert("CMYK"), "JPEG"),
    "16-bit grey": file(Image.fromarray(np.asarray(SCENE.convert("L")).astype(np.uint16) * 257), "PNG"),
    "palette with alpha": file(SCENE.quantize(8), "PNG", transparency=0),
    "film behind it": file(SCENE, "JPEG") + bytes(5_000),
    "turned WebP": file(phone(), "WEBP", exif=TURNED.tobytes()),
    "AVIF": file(SCENE, "AVIF"),
    "GIF": file(SCENE, "GIF"),
}


@pytest.fixture(scope="module")
async def simulator(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        yield control


@pytest.fixture
async def stills(images: ImageWorkers) -> InputNormaliser:
    return InputNormaliser(images)


def job_with(inputs: tuple[Input, ...], **spec: Any) -> ProviderJob:
    refs = tuple(InputRef(role=given.role, key="a/b") for given in inputs)
    asked = RenderSpec(**{"kind": "image", "prompt": "a hat", "inputs": refs, **spec})
    return ProviderJob(str(uuid4()), uuid4(), Owner(kind="user", id=uuid4()), asked, inputs)


def is_still(upload: UploadedImage) -> bool:
    """Upright in the measures of `files`, without a word beside the picture."""
    sides = (upload.width, upload.height) == (WIDTH, HEIGHT)
    return sides and upload.mode in ("RGB", "RGBA") and upload.frames == 1 and not upload.beside


async def uploads_to_openai(images: ImageWorkers, simulator: Control, inputs: tuple[Input, ...]) -> list[UploadedImage]:
    provider = OpenAI(simulator.openai_key, ImageNormaliser(images), base_url=simulator.openai_url)
    return await submit_and_read_uploads(provider, simulator, job_with(inputs, model="gpt-image-1.5"))


async def uploads_to_google(images: ImageWorkers, simulator: Control, inputs: tuple[Input, ...]) -> list[UploadedImage]:
    provider = Google(simulator.google_key, ImageNormaliser(images), base_url=simulator.google_url)
    return await submit_and_read_uploads(provider, simulator, job_with(inputs))


async def uploads_to_worker(images: ImageWorkers, simulator: Control, inputs: tuple[Input, ...]) -> list[UploadedImage]:
    with run_team(images) as team:
        provider = team.connect()
        assert isinstance(await provider.submit(job_with(inputs, size="64x64")), Succeeded)
        await provider.close()
        return uploads_of(team)


async def submit_and_read_uploads(
    provider: OpenAI | Google, simulator: Control, job: ProviderJob
) -> list[UploadedImage]:
    await simulator.forget()
    outcome = await provider.submit(job)
    assert isinstance(outcome, Succeeded), outcome
    await provider.close()
    (arrived,) = await simulator.requests()
    return list(arrived.uploads)


def uploads_of(team: Team) -> list[UploadedImage]:
    (asked,) = team.asked
    return [describe_upload(base64.b64decode(reference["data"]), reference["role"]) for reference in asked["inputs"]]


ELSEWHERE: dict[str, Callable[..., Any]] = {
    "openai": uploads_to_openai,
    "google": uploads_to_google,
    "http": uploads_to_worker,
}


@pytest.mark.parametrize("provider", ELSEWHERE)
@pytest.mark.parametrize("name", PICTURES)
async def test_a_provider_elsewhere_gets_an_upright_still_and_a_mask_in_its_measures(
    name: str, provider: str, images: ImageWorkers, stills: InputNormaliser, simulator: Control
) -> None:
    inputs = await stills.make([Input("mask", half_mask(kind="light")), Input("image", PICTURES[name])])
    assert isinstance(inputs, tuple), inputs

    picture, mask = sorted(
        await ELSEWHERE[provider](images, simulator, inputs), key=lambda upload: upload.mode == "RGBA"
    )

    assert is_still(picture), picture
    assert is_still(mask), mask
    assert mask.mode == "RGBA" and mask.format == "PNG"
    assert not {picture.sha256, mask.sha256} & {describe_upload(PICTURES["film behind it"], "image").sha256}


@pytest.mark.parametrize("kind", ["alpha", "light"])
async def test_a_mask_of_another_size_is_brought_into_its_picture_s_whatever_says_what_is_marked(
    kind: str, stills: InputNormaliser
) -> None:
    small = Image.open(io.BytesIO(half_mask(kind=kind))).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.NEAREST)

    made = await stills.make([Input("image", PICTURES["turned JPEG"]), Input("mask", file(small, "PNG"))])

    assert isinstance(made, tuple), made
    alpha = np.asarray(Image.open(io.BytesIO(made[1].data)))[..., 3]
    assert alpha.shape == (HEIGHT, WIDTH)
    assert (alpha[:, : WIDTH // 2] == 0).all()
    assert (alpha[:, WIDTH // 2 :] == 255).all()


async def test_every_provider_is_handed_the_still_and_not_the_file_that_came(
    tmp_path: Path, images: ImageWorkers
) -> None:
    class Looking(Scripted):
        """Keeps what it is given."""

        async def submit(self, job: ProviderJob) -> ProviderOutcome:
            self.given = [describe_upload(given.data, "image") for given in job.inputs]
            return OK

    provider = Looking("looking", capabilities=Capabilities(OFFERS, reads_inputs=True))
    objects, owner = MemoryStore(), Owner(kind="user", id=uuid4())
    key = upload_key("user", owner.id, uuid4(), "phone.jpg")
    objects.objects[key] = PICTURES["turned MPO"]
    artefacts = ArtefactWriter(objects, Spool(tmp_path), pool=None)  # type: ignore[arg-type]
    worker = worker_of(objects, artefacts, images, Progress(None), preferred=[provider])  # type: ignore[arg-type]

    spec = RenderSpec(kind="image", prompt="a hat", inputs=(InputRef(role="image", key=key),))
    ending = await worker.perform(Attempt(Job(uuid4(), 1, owner, spec, "paced", None, 30.0), INVALID_SPAN))

    assert isinstance(ending, Completion), ending
    assert all(map(is_still, provider.given))


async def test_texts_stay_as_they_are_and_the_order_is_kept(stills: InputNormaliser) -> None:
    given = [Input("text", b"words"), Input("mask", half_mask()), Input("image", PICTURES["GIF"])]

    made = await stills.make(given)

    assert isinstance(made, tuple)
    assert [item.role for item in made] == ["text", "mask", "image"]
    assert made[0] == given[0]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            [Input("image", b"no picture")],
            "input 1 (image): The file is not a PNG, JPEG, WebP, HEIC, AVIF or GIF image.",
        ),
        (
            [Input("mask", file(Image.new("L", (8, 8)), "PNG")), Input("image", PICTURES["GIF"])],
            "input 1 (mask): The mask marks nothing: leave transparent what is to be repainted, or white in a mask "
            "without transparency.",
        ),
    ],
)
async def test_what_is_no_picture_or_no_mask_is_refused_in_words(
    inputs: list[Input], reason: str, stills: InputNormaliser
) -> None:
    assert await stills.make(inputs) == InputRefused(reason)


async def test_two_makings_give_the_same_bytes(stills: InputNormaliser) -> None:
    inputs = [Input("image", data) for data in PICTURES.values()]

    assert await stills.make(inputs) == await stills.make(inputs)
