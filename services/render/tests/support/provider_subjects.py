"""The providers that the common suite tests, and how each is started: to add one, write a ``@subject``.

The services elsewhere are played by the provider simulator over real HTTP. With ATELIER_TEST_OPENAI_API_KEY or
ATELIER_TEST_GOOGLE_API_KEY set, the real service stands the suite as well; that costs money.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from atelier_contracts import InputRef, Owner, RenderSpec, Simulation
from atelier_imaging.pool import ImageWorkers
from atelier_provider_simulator.control import Control
from atelier_provider_simulator.plans import ReceivedRequest
from atelier_render.providers.declaration import HostedProvider
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.diffusion.settings import DiffusersSettings, missing
from atelier_render.providers.local.images import Local
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.openai.declaration import OPENAI
from atelier_render.providers.protocol import Input, Provider, ProviderJob
from atelier_render.providers.registry import HOSTED
from atelier_render.providers.simulator import Simulator
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.speech.process_pool import SpeechProcessPool

from .http_team import SECRET, run_team
from .real_services import REAL_KEYS
from .tiny_diffusion import MODES, SIZES, save

PERSON = Path(__file__).parents[4] / "docs" / "pictures" / "try-on" / "standing.jpg"
PATIENT_S, IMPATIENT_S = 60.0, 0.3
ANSWER_S_MAX = 180.0
"""Seconds for a real service."""


@dataclass(frozen=True)
class Tools:
    """What subjects are made with."""

    images: ImageWorkers
    simulated: Control


@dataclass(frozen=True)
class Subject:
    """A provider under test."""

    provider: Provider
    impatient: Provider | None = None
    """The same with a short timeout."""
    tell: Callable[[str], Awaitable[dict[str, Any]]] | None = None
    """Arranges an outcome and returns the fields that the request needs for it. None: outcomes cannot be arranged."""
    arrived: Callable[[], Awaitable[list[ReceivedRequest]]] | None = None
    """The requests that reached the service, where they are recorded."""
    cases: tuple[Mapping[str, Any], ...] | None = None
    """The requests that are made of it, where each costs time or money: else every value of every row is tried."""
    real: bool = False
    """A paid service, whose requests are not recorded."""
    secret: str | None = None
    faithful: bool = True
    """Whether the output follows the request and its inputs; the simulator looks at no input."""


Start = Callable[[Tools], AbstractAsyncContextManager[Subject]]


@dataclass(frozen=True)
class Entry:
    """A subject that has not been started, and the outcomes that can be arranged."""

    start: Start
    outcomes: tuple[str, ...] = ()


SUBJECTS: dict[str, Entry] = {}
REMOTE = (
    *("refused", "rate_limited", "out_of_quota", "server_error"),
    *("lost_response", "late_success", "corrupt", "oversized", "partial"),
)
LOCAL_CASES = (
    {"kind": "image", "size": "256x256", "format": "webp"},
    {"kind": "image", "size": "256x256", "mode": "masked", "style": "vivid", "format": "jpeg"},
    {"kind": "image", "size": "256x256", "mode": "variation", "quality": "hd"},
    {"kind": "product_shot", "size": "1:1"},
    {"kind": "on_model", "quality": "low"},
    {"kind": "flat_lay", "quality": "low"},
    {"kind": "try_on"},
)


def subject(name: str, *, outcomes: tuple[str, ...] = ()) -> Callable[[Start], Start]:
    """Enters a subject for the suite."""

    def enter(start: Start) -> Start:
        SUBJECTS[name] = Entry(start, outcomes)
        return start

    return enter


@subject("local")
@asynccontextmanager
async def local(tools: Tools) -> AsyncIterator[Subject]:
    """The local images."""
    yield Subject(Local(tools.images), cases=LOCAL_CASES)


@subject("narration")
@asynccontextmanager
async def narration(tools: Tools) -> AsyncIterator[Subject]:
    """The local speech."""
    cases = ({"kind": "narration"}, {"kind": "narration", "audio_format": "wav", "language": "sv"})
    yield Subject(Narration(SpeechProcessPool(readers=1)), cases=cases)


@subject("simulator", outcomes=("lost_response", "corrupt", "partial"))
@asynccontextmanager
async def simulator(tools: Tools) -> AsyncIterator[Subject]:
    """The simulator."""

    async def tell(outcome: str) -> dict[str, Any]:
        return {"simulate": Simulation.model_validate({"outcome": outcome})}

    yield Subject(Simulator(tools.images, attempt_s=IMPATIENT_S), tell=tell, faithful=False)


@asynccontextmanager
async def simulate(tools: Tools, hosted: HostedProvider[Any], **settings: str) -> AsyncIterator[Subject]:
    """A hosted provider against the simulator, with the settings given over its own."""
    name = hosted.name
    key, own = tools.simulated.key_of(name), hosted.settings(base_url=tools.simulated.url_of(name), **settings)
    patient, impatient = (
        hosted.create(key, own, ImageNormaliser(tools.images), answer_s_max)
        for answer_s_max in (PATIENT_S, IMPATIENT_S)
    )

    async def tell(outcome: str) -> dict[str, Any]:
        more = {"rate_limited": {"retry_after_s": 7}, "partial": {"times": 4, "delivered": 2}}.get(outcome, {})
        await tools.simulated.plan(name, outcome, **more)  # type: ignore[arg-type]  # the suite's words are its words
        return {}

    yield Subject(patient, impatient, tell, tools.simulated.requests, secret=key)
    await patient.close()
    await impatient.close()


for _hosted in HOSTED:
    SUBJECTS[_hosted.name] = Entry(partial(simulate, hosted=_hosted), REMOTE)
# OpenAI's format as it is sent to a server that still has the old models.
SUBJECTS["openai-compatible"] = Entry(partial(simulate, hosted=OPENAI, retired_models="send"), REMOTE)


@subject("http", outcomes=tuple(outcome for outcome in REMOTE if outcome != "out_of_quota"))
@asynccontextmanager
async def http(tools: Tools) -> AsyncIterator[Subject]:
    """The worker that the docs show, as a team's own."""
    with run_team(tools.images) as team:
        row = {"kind": "image", "models": ["ours-1", "ours-2"], "sizes": ["64x64", "96x64"], "formats": ["png", "webp"]}
        offers = [row | {"modes": ["words", "edit", "variation"]}]
        patient, impatient = team.connect(offers=offers), team.connect(offers=offers, answer_s=IMPATIENT_S)

        async def tell(outcome: str) -> dict[str, Any]:
            team.fail_next(outcome)
            return {}

        yield Subject(patient, impatient, tell, secret=SECRET)
        await patient.close()
        await impatient.close()


@asynccontextmanager
async def self_hosted(tools: Tools) -> AsyncIterator[Subject]:
    """A tiny model made here, in a process of its own."""
    with TemporaryDirectory() as folder:
        model = str(save(Path(folder)))
        provider = Diffusers(DiffusersSettings(model=model, sizes=SIZES, steps=3, modes=MODES, try_on=True))
        yield Subject(provider)
        await provider.close()


if not missing():
    SUBJECTS["diffusers"] = Entry(self_hosted)


REAL_CASES: dict[str, tuple[Mapping[str, Any], ...]] = {
    "openai": ({"kind": "image", "prompt": "a grey pebble", "quality": "low"}, {"kind": "narration", "prompt": "One."}),
}
"""What is requested of a real service, where it is not one picture."""


@asynccontextmanager
async def _real(tools: Tools, hosted: HostedProvider[Any]) -> AsyncIterator[Subject]:
    """The service itself."""
    key = os.environ[REAL_KEYS[hosted.name]]
    provider = hosted.create(key, hosted.settings(), ImageNormaliser(tools.images), ANSWER_S_MAX)
    cases = REAL_CASES.get(hosted.name, ({"kind": "image", "prompt": "a grey pebble"},))
    yield Subject(provider, cases=cases, real=True, secret=key)
    await provider.close()


for _hosted in HOSTED:
    if os.environ.get(REAL_KEYS[_hosted.name]):
        SUBJECTS[f"{_hosted.name}@real-service"] = Entry(partial(_real, hosted=_hosted))


def job_of(picture: bytes, mask: bytes, key: str = "", **asked: Any) -> ProviderJob:
    """A request with the inputs that its kind needs; a person is a photograph of one, whatever the picture. ``mode`` is
    of pictures: words, edit, masked, variation."""
    roles = {
        "try_on": ("person", "garment"),
        "product_shot": ("product",),
        "on_model": ("photo",),
        "flat_lay": ("photo",),
    }.get(asked["kind"], ())
    mode = asked.pop("mode", "words")
    if mode != "words":
        roles = ("image", "mask") if mode == "masked" else ("image",)
    if mode == "variation":
        asked["prompt"] = None
    data = {"mask": mask, "person": PERSON.read_bytes()}
    inputs = tuple(Input(role, data.get(role, picture)) for role in roles)
    refs = tuple(InputRef(role=role, key=f"a/{role}") for role in roles)
    spec = RenderSpec(**({"prompt": "a lake at dawn", "seed": 1, "inputs": refs} | asked))
    id_ = uuid4()
    return ProviderJob(key or str(id_), id_, Owner(kind="user", id=uuid4()), spec, inputs)
