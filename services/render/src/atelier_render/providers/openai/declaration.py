"""Declares OpenAI: its settings, its offers, and how it is created."""

from typing import TYPE_CHECKING

from pydantic import AnyHttpUrl, SecretStr
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.openai.models import RetiredModels, capabilities
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

if TYPE_CHECKING:
    from atelier_render.providers.openai.provider import OpenAI


class OpenAISettings(HostedProviderSettings):
    """Read from the environment, prefix ``ATELIER_OPENAI_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_OPENAI_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    """Key for OpenAI, or for a server that speaks its format: pictures and narrations."""
    base_url: AnyHttpUrl | None = None
    """Address of that server, with its ``/v1``; OpenAI itself by default."""
    retired_models: RetiredModels = "replace"
    """Whether the names of models that OpenAI has shut down are replaced by their successors, or sent unchanged to a
    server that still has them."""


def _create(key: str, settings: OpenAISettings, images: ImageNormaliser, answer_s_max: float) -> "OpenAI":
    from atelier_render.providers.openai.provider import OpenAI

    return OpenAI(key, images, base_url=settings.url, retired=settings.retired_models, answer_s_max=answer_s_max)


OPENAI = HostedProvider("openai", OpenAISettings, capabilities=lambda day: capabilities("replace", day), create=_create)
