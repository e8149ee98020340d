"""Declares Google: its settings, its offers, and how it is created."""

from typing import TYPE_CHECKING

from pydantic import AnyHttpUrl, SecretStr
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.google.models import capabilities
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

if TYPE_CHECKING:
    from atelier_render.providers.google.provider import Google


class GoogleSettings(HostedProviderSettings):
    """Read from the environment, prefix ``ATELIER_GOOGLE_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_GOOGLE_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    """Key for Google's Gemini API: pictures."""
    base_url: AnyHttpUrl | None = None
    """Address of that API, without a version; Google itself by default."""


def _create(key: str, settings: GoogleSettings, images: ImageNormaliser, answer_s_max: float) -> "Google":
    from atelier_render.providers.google.provider import Google

    return Google(key, images, base_url=settings.url, answer_s_max=answer_s_max)


GOOGLE = HostedProvider("google", GoogleSettings, capabilities, create=_create)
