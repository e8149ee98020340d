"""What the package of a hosted provider says of itself, once; the registry lists these declarations."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Generic, Protocol, TypeVar

from pydantic import AnyHttpUrl, SecretStr, field_validator
from pydantic_settings import BaseSettings

from atelier_render.providers.protocol import Capabilities, Provider
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser


class HostedProviderSettings(BaseSettings):
    """What every hosted provider reads, prefix ``ATELIER_NAME_``. An empty value counts as none."""

    api_key: SecretStr | None = None
    """Without it the provider does not exist in this process."""
    base_url: AnyHttpUrl | None = None
    """Address of the API, where it is not the provider's own."""

    @field_validator("api_key", "base_url", mode="before")
    @classmethod
    def _none_where_empty(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def url(self) -> str | None:
        """``base_url`` as text without a slash at its end."""
        return None if self.base_url is None else str(self.base_url).rstrip("/")


class RemoteProvider(Provider, Protocol):
    """A provider whose address is worth a log line."""

    url: str

    async def close(self) -> None:
        """Closes its connections."""


SettingsOf = TypeVar("SettingsOf", bound=HostedProviderSettings)


@dataclass(frozen=True, slots=True)
class HostedProvider(Generic[SettingsOf]):
    """One provider that is a service elsewhere."""

    name: str
    """How clients, receipts and metrics call it, and its settings: ``ATELIER_NAME_API_KEY``."""
    settings: type[SettingsOf]
    capabilities: Callable[[date], Capabilities]
    """What it offers on a day with the default settings."""
    create: Callable[[str, SettingsOf, ImageNormaliser, float], RemoteProvider]
    """Takes the key, the settings and the seconds to wait for one answer. Only here its SDK is loaded."""

    @property
    def key_variable(self) -> str:
        """The environment variable without which it does not exist."""
        return f"{self.settings.model_config['env_prefix']}API_KEY"
