"""Declares fal: its settings, its offers, and how it is created."""

from typing import TYPE_CHECKING

from pydantic import AnyHttpUrl, SecretStr
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.fal.models import capabilities, requests_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

if TYPE_CHECKING:
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

FAL_URL = "https://queue.fal.run"


class FalSettings(HostedProviderSettings):
    """Read from the environment, prefix ``ATELIER_FAL_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_FAL_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    """Key for fal: pictures and try-on."""
    base_url: AnyHttpUrl | None = None
    """Address of its queue; fal's own by default."""


def _create(key: str, settings: FalSettings, images: ImageNormaliser, answer_s_max: float) -> "QueueProvider":
    from atelier_render.providers.fal.queue import FalQueue
    from atelier_render.providers.toolkit.api_connection import ApiConnection
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

    url = settings.url or FAL_URL
    queue = FalQueue(key, ApiConnection(url, answer_s_max=answer_s_max))
    return QueueProvider("fal", url, queue, images, capabilities=capabilities, requests_of=requests_of)


FAL = HostedProvider("fal", FalSettings, capabilities, create=_create)
