"""The hosted providers: each name in the contract's ``HOSTED_PROVIDERS`` is a package here that declares itself.

Factory, settings, offers table and reserved names follow. Loads no SDK. How to add a provider:
docs/how-to/add-a-provider.md.
"""

from importlib import import_module
from typing import Any, TypeVar

from pydantic import Field, create_model
from pydantic_settings import BaseSettings

from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_render.providers.declaration import HostedProvider, HostedProviderSettings

SettingsOf = TypeVar("SettingsOf", bound=HostedProviderSettings)


def _declared(name: str) -> HostedProvider[Any]:
    module = import_module(f"{__package__}.{name}.declaration")
    (found,) = (value for value in vars(module).values() if isinstance(value, HostedProvider))
    return found


HOSTED: tuple[HostedProvider[Any], ...] = tuple(_declared(name) for name in HOSTED_PROVIDERS)
"""In order of preference."""
BUILT_IN_NAMES = frozenset({"local", "narration", "diffusers", "simulator"})
RESERVED_NAMES = BUILT_IN_NAMES | {provider.name for provider in HOSTED}
"""What no team's own worker may be called."""


class _HostedSettings(BaseSettings):
    """A field a hosted provider, of its name."""

    def of_provider(self, provider: HostedProvider[SettingsOf]) -> SettingsOf:
        """The settings of one of ``HOSTED``."""
        settings: SettingsOf = getattr(self, provider.name)
        return settings


_FIELDS: dict[str, Any] = {
    provider.name: (provider.settings, Field(default_factory=provider.settings)) for provider in HOSTED
}
HostedSettings = create_model("HostedSettings", __base__=_HostedSettings, **_FIELDS)
