"""Every output of every provider carries its marks, whatever its kind and format.

Made from the registries: a new kind, provider or format is tested without being named here.
"""

import io
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack
from math import prod
from typing import Any, get_args

import pytest
from PIL import Image

from atelier_contracts import Kind
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_imaging.pool import ImageWorkers
from atelier_provider_simulator.control import Control
from atelier_render.outputs.analysis import Output, OutputAnalyser
from atelier_render.provenance.identity import SigningIdentity, make_identity
from atelier_render.provenance.marker import UNSIGNED, Marker, Origin
from atelier_render.provenance.source_types import source_type_of
from atelier_render.providers.protocol import Offer, Picture, ProviderJob, Succeeded
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.narration_script import CONTENT_TYPES as SOUND_TYPES

from .support.marks import manifest_of, validation_of
from .support.provider_subjects import SUBJECTS, Subject, Tools, job_of
from .support.suite_checks import spec_of

TYPES = {str(name): type_ for types in (CONTENT_TYPES, SOUND_TYPES) for name, type_ in types.items()}
SIMULATED = [name for name in SUBJECTS if "@" not in name]
"""Without the services that are paid for."""
pytestmark = [
    pytest.mark.stack,  # it draws for minutes
    pytest.mark.timeout(600),  # one test makes a picture of every row of a provider
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning:atelier_render.providers.openai.provider"),
]


@pytest.fixture(scope="module")
async def tools(simulator_url: str) -> AsyncIterator[Tools]:
    async with AsyncExitStack() as stack:
        images = ImageWorkers(workers=1)
        stack.push_async_callback(images.close)
        yield Tools(images, await stack.enter_async_context(Control(simulator_url)))


@pytest.fixture(scope="module")
async def subject(request: pytest.FixtureRequest, tools: Tools) -> AsyncIterator[Subject]:
    await tools.simulated.forget()
    async with SUBJECTS[request.param].start(tools) as subject:
        yield subject


@pytest.fixture(scope="module")
def identity() -> SigningIdentity:
    return make_identity()


@pytest.fixture(scope="module")
def marker(identity: SigningIdentity) -> Iterator[Marker]:
    marker = Marker(identity)
    yield marker
    marker.close()


@pytest.mark.parametrize("media_format", TYPES)
@pytest.mark.parametrize("subject", SIMULATED, indirect=True, scope="module")
async def test_every_output_carries_a_manifest_that_is_trusted_and_names_how_it_was_made(
    subject: Subject, media_format: str, tools: Tools, marker: Marker, identity: SigningIdentity
) -> None:
    sound = media_format in SOUND_TYPES
    for offer in subject.provider.capabilities.offers:
        if (offer.kind == "narration") is not sound:
            continue
        job = smallest_job(offer, media_format)
        if media_format not in formats_of(offer):
            assert offer.objection(job.spec) is not None, (offer, media_format)
            continue

        output, origin = await deliver(subject, job, tools, marker)

        source = source_type_of(origin.provider, has_pictures=bool(origin.pictures))
        for data in (output.data, output.thumbnail):
            if data is None:
                assert output.content_type.startswith("audio/")
                continue
            assert flaw(Picture(data, type_of(data) or "")) is None
            assert source.encode() in data
            if type_of(data) not in UNSIGNED:
                assert validation_of(data, identity) == "Trusted", job.spec
                assert source in str(manifest_of(data)["assertions"])
        assert output.content_type == TYPES[media_format]


async def test_every_kind_is_made_by_a_provider_that_is_tested_here(tools: Tools) -> None:
    made = set[str]()
    async with AsyncExitStack() as stack:
        for name in SIMULATED:
            subject = await stack.enter_async_context(SUBJECTS[name].start(tools))
            can = subject.provider.capabilities
            made |= set() if can.simulates else can.kinds

    assert made == set(get_args(Kind))


def formats_of(offer: Offer) -> Collection[str]:
    """The formats that the row makes files of."""
    return offer.audio_formats if offer.kind == "narration" else offer.formats or CONTENT_TYPES


def smallest_job(offer: Offer, media_format: str) -> ProviderJob:
    """What costs the row the least."""
    asked: dict[str, Any] = spec_of(offer, 0)
    if sized := [size for size in offer.sizes if "x" in size]:
        asked["size"] = min(sized, key=lambda size: prod(map(int, size.split("x"))))
    if "low" in offer.qualities:
        asked["quality"] = "low"
    name = "audio_format" if offer.kind == "narration" else "format"
    return job_of(photo(), mask(), **asked | {name: media_format})


async def deliver(subject: Subject, job: ProviderJob, tools: Tools, marker: Marker) -> tuple[Output, Origin]:
    """One output on the way that the worker has it go."""
    outcome = await subject.provider.submit(job)
    assert isinstance(outcome, Succeeded), (job.spec, outcome)
    (output,), wrong = await OutputAnalyser(tools.images.analyse).analyse(outcome.pictures, remaining_s=60)
    assert wrong is None
    origin = Origin(subject.provider.name, outcome.model, job.spec, job.inputs)
    (marked,) = await marker.mark([output], origin)
    return marked, origin


def photo() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((96, 96)).save(out, "PNG")
    return out.getvalue()


def mask() -> bytes:
    out = io.BytesIO()
    image = Image.new("RGBA", (96, 96), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (20, 20, 60, 60))
    image.save(out, "PNG")
    return out.getvalue()
