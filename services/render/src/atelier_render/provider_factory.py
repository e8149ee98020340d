"""Which providers this render has, in order of preference: what costs nothing comes first."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from atelier_imaging.pool import ImageWorkers
from atelier_render.model_watch import watch_models
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.local.images import Local
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.protocol import Provider
from atelier_render.providers.toolkit.image_normaliser import Finishing
from atelier_render.providers.worker_http.callbacks import Listener
from atelier_render.providers.worker_http.provider import HttpWorker
from atelier_render.settings import Settings
from atelier_render.speech.process_pool import Readers

if TYPE_CHECKING:
    from atelier_render.providers.google import provider as google
    from atelier_render.providers.openai import provider as openai

logger = logging.getLogger(__name__)


@runtime_checkable
class _Closing(Protocol):
    async def close(self) -> None: ...


def compose(settings: Settings, images: ImageWorkers) -> Sequence[Provider]:
    """Makes them, and says in one line which there are and why others are not."""
    # Who pays for a model's picture is not to get a composed one because the model is away.
    last_resort = settings.environment == "production"
    readers = Readers(readers=settings.render_narrators)
    here: list[Provider] = [Local(images, last_resort=last_resort), Narration(readers, last_resort=last_resort)]
    if settings.diffusers.model:
        here.append(Diffusers(settings.diffusers))
    finishing, callback_url = Finishing(images), _text(settings.render_callback_url)
    workers = [HttpWorker(worker, finishing, callback_url=callback_url) for worker in settings.render_workers]
    elsewhere, missing = _elsewhere(settings, finishing)
    names = [provider.name for provider in here] + [f"{one.name} at {one.url}" for one in (*workers, *elsewhere)]
    logger.info("providers: %s; not configured: %s", ", ".join(names), ", ".join(missing) or "none")
    composed: list[Provider] = [*here, *workers, *elsewhere]
    watch_models(composed)
    return composed


def listeners(providers: Sequence[Provider]) -> Mapping[str, Listener]:
    """The workers whose callbacks are heard, by name."""
    return {provider.name: provider.listener for provider in providers if isinstance(provider, HttpWorker)}


async def close(providers: Sequence[Provider]) -> None:
    """Lets go of what they hold."""
    for provider in providers:
        if isinstance(provider, _Closing):
            await provider.close()


def _elsewhere(settings: Settings, finishing: Finishing) -> "tuple[list[openai.OpenAI | google.Google], list[str]]":
    """Those whose key is there, and for each other one what is not. Their SDKs, and the image library that one of them
    brings along, are loaded only where there is a key."""
    found: list[openai.OpenAI | google.Google] = []
    missing: list[str] = []
    patience_s = settings.render_answer_s_max
    if settings.openai_api_key:
        from atelier_render.providers.openai.provider import OpenAI

        url = _text(settings.openai_base_url)
        key, retired = settings.openai_api_key.get_secret_value(), settings.openai_retired_models
        found.append(OpenAI(key, finishing, base_url=url, retired=retired, answer_s_max=patience_s))
    else:
        missing.append("openai (ATELIER_OPENAI_API_KEY is not set)")
    if settings.google_api_key:
        from atelier_render.providers.google.provider import Google

        key, url = settings.google_api_key.get_secret_value(), _text(settings.google_base_url)
        found.append(Google(key, finishing, base_url=url, answer_s_max=patience_s))
    else:
        missing.append("google (ATELIER_GOOGLE_API_KEY is not set)")
    return found, missing


def _text(url: object) -> str | None:
    return None if url is None else str(url).rstrip("/")
