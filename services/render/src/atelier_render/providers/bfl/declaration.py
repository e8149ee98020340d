"""Declares Black Forest Labs: its settings, its offers, and how it is created."""

from typing import TYPE_CHECKING

from pydantic import AnyHttpUrl, SecretStr
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.bfl.models import capabilities, requests_of
from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

if TYPE_CHECKING:
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

BFL_URL = "https://api.bfl.ai"


class BflSettings(HostedProviderSettings):
    """Read from the environment, prefix ``ATELIER_BFL_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_BFL_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    """Key for Black Forest Labs: pictures by FLUX."""
    base_url: AnyHttpUrl | None = None
    """Address of its API, without a version; the global one by default, ``https://api.eu.bfl.ai`` for Europe."""


def _create(key: str, settings: BflSettings, images: ImageNormaliser, answer_s_max: float) -> "QueueProvider":
    from atelier_render.providers.bfl.queue import BflQueue
    from atelier_render.providers.toolkit.api_connection import ApiConnection
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

    url = settings.url or BFL_URL
    queue = BflQueue(key, ApiConnection(url, answer_s_max=answer_s_max), answer_s_max=answer_s_max)
    return QueueProvider("bfl", url, queue, images, capabilities=capabilities, requests_of=requests_of)


BFL = HostedProvider("bfl", BflSettings, capabilities, create=_create)
