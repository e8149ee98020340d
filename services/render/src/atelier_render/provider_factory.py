"""Which providers this render has, in order of preference: what costs nothing comes first."""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from atelier_imaging.pool import ImageWorkers
from atelier_render.model_watch import watch_models
from atelier_render.providers.declaration import RemoteProvider
from atelier_render.providers.diffusion.provider import Diffusers
from atelier_render.providers.local.images import Local
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.protocol import Provider
from atelier_render.providers.registry import HOSTED
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.worker_http.callbacks import Listener
from atelier_render.providers.worker_http.provider import HttpWorker
from atelier_render.settings import Settings
from atelier_render.speech.process_pool import SpeechProcessPool

logger = logging.getLogger(__name__)


@runtime_checkable
class _Closing(Protocol):
    async def close(self) -> None: ...


def create_providers(settings: Settings, images: ImageWorkers) -> Sequence[Provider]:
    """Makes them, and says in one line which there are and why others are not."""
    # Who pays for a model's picture is not to get a composed one because the model is away.
    last_resort = settings.environment == "production"
    readers = SpeechProcessPool(readers=settings.render_narrators)
    here: list[Provider] = [Local(images, last_resort=last_resort), Narration(readers, last_resort=last_resort)]
    if settings.diffusers.model:
        here.append(Diffusers(settings.diffusers))
    finishing, callback_url = ImageNormaliser(images), _text(settings.render_callback_url)
    workers = [HttpWorker(worker, finishing, callback_url=callback_url) for worker in settings.render_workers]
    hosted, missing = _create_hosted_providers(settings, finishing)
    names = [provider.name for provider in here] + [f"{remote.name} at {remote.url}" for remote in (*workers, *hosted)]
    logger.info("providers: %s; not configured: %s", ", ".join(names), ", ".join(missing) or "none")
    composed: list[Provider] = [*here, *workers, *hosted]
    watch_models(composed)
    return composed


def callback_listeners(providers: Sequence[Provider]) -> Mapping[str, Listener]:
    """The workers whose callbacks are received, by name."""
    return {provider.name: provider.listener for provider in providers if isinstance(provider, HttpWorker)}


async def close_providers(providers: Sequence[Provider]) -> None:
    """Lets go of what they hold."""
    for provider in providers:
        if isinstance(provider, _Closing):
            await provider.close()


def _create_hosted_providers(settings: Settings, finishing: ImageNormaliser) -> tuple[list[RemoteProvider], list[str]]:
    """Those with a key, and for each other one what is not set. Their SDKs, and the image library that one of them
    brings along, are loaded only where there is a key."""
    found: list[RemoteProvider] = []
    missing: list[str] = []
    for provider in HOSTED:
        own = settings.of_provider(provider)
        if own.api_key:
            key = own.api_key.get_secret_value()
            found.append(provider.create(key, own, finishing, settings.render_answer_s_max))
        else:
            missing.append(f"{provider.name} ({provider.key_variable} is not set)")
    return found, missing


def _text(url: object) -> str | None:
    return None if url is None else str(url).rstrip("/")
