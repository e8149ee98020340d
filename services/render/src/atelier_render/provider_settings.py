"""Settings of the providers that are services elsewhere; without its key or description a provider is not there."""

from pydantic import AnyHttpUrl, Field, field_validator
from pydantic_settings import SettingsConfigDict

from atelier_render.providers.diffusion.settings import DiffusersSettings
from atelier_render.providers.registry import HostedSettings
from atelier_render.providers.worker_http.configuration import Workers


class ProviderSettings(HostedSettings):
    """Read from the environment, prefix ``ATELIER_``. An empty address counts as none."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True)

    render_answer_s_max: float = Field(default=180.0, gt=0, le=3_600)
    """Seconds to wait for one answer of a hosted provider; a later one counts as lost."""
    diffusers: DiffusersSettings = Field(default_factory=DiffusersSettings)
    """A self-hosted model, prefix ``ATELIER_DIFFUSERS_``."""
    render_workers: Workers = ()
    """Teams' own models behind HTTP, as JSON or as the path of a JSON file."""
    render_callback_url: AnyHttpUrl | None = None
    """Address at which those workers reach this service to announce news; without it they are only polled."""

    @field_validator("render_callback_url", mode="before")
    @classmethod
    def _none_where_empty(cls, value: object) -> object:
        return None if value == "" else value
