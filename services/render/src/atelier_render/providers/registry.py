"""The one list of providers: factory, settings, offers table and reserved names follow from it.

Loads no SDK. How to add a provider: docs/how-to/add-a-provider.md.
"""

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings

from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings
from atelier_render.providers.google.declaration import GOOGLE, GoogleSettings
from atelier_render.providers.openai.declaration import OPENAI, OpenAISettings

HOSTED: tuple[HostedProvider[Any], ...] = (OPENAI, GOOGLE)
"""In order of preference."""
BUILT_IN_NAMES = frozenset({"local", "narration", "diffusers", "simulator"})
RESERVED_NAMES = BUILT_IN_NAMES | {provider.name for provider in HOSTED}
"""What no team's own worker may be called."""


class HostedSettings(BaseSettings):
    """A field a hosted provider, of its name."""

    openai: OpenAISettings = Field(default_factory=OpenAISettings)
    """OpenAI, prefix ``ATELIER_OPENAI_``."""
    google: GoogleSettings = Field(default_factory=GoogleSettings)
    """Google, prefix ``ATELIER_GOOGLE_``."""

    def of_provider(self, provider: HostedProvider[Any]) -> HostedProviderSettings:
        """The settings of one of ``HOSTED``."""
        settings: HostedProviderSettings = getattr(self, provider.name)
        return settings
