"""Declares Replicate: its settings, its offers, and how it is created."""

from typing import TYPE_CHECKING

from pydantic import AnyHttpUrl, SecretStr
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.replicate.models import capabilities, requests_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

if TYPE_CHECKING:
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

REPLICATE_URL = "https://api.replicate.com"


class ReplicateSettings(HostedProviderSettings):
    """Read from the environment, prefix ``ATELIER_REPLICATE_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_REPLICATE_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    """Token for Replicate: pictures and try-on."""
    base_url: AnyHttpUrl | None = None
    """Address of its API, without a version; Replicate's own by default."""


def _create(key: str, settings: ReplicateSettings, images: ImageNormaliser, answer_s_max: float) -> "QueueProvider":
    from atelier_render.providers.replicate.queue import ReplicateQueue
    from atelier_render.providers.toolkit.api_connection import ApiConnection
    from atelier_render.providers.toolkit.queue_provider import QueueProvider

    url = settings.url or REPLICATE_URL
    queue = ReplicateQueue(key, ApiConnection(url, answer_s_max=answer_s_max))
    return QueueProvider("replicate", url, queue, images, capabilities=capabilities, requests_of=requests_of)


REPLICATE = HostedProvider("replicate", ReplicateSettings, capabilities, create=_create)
