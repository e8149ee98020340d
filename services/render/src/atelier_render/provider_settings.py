"""Settings of the providers that are services elsewhere; without its key or description a provider is not there."""

from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atelier_render.providers.diffusion.settings import DiffusersSettings
from atelier_render.providers.worker_http.configuration import Workers


class ProviderSettings(BaseSettings):
    """Read from the environment, prefix ``ATELIER_``. An empty key or address counts as none."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True)

    openai_api_key: SecretStr | None = None
    """Key for OpenAI, or for a server that speaks its format: pictures and narrations."""
    openai_base_url: AnyHttpUrl | None = None
    """Address of that server, with its ``/v1``; OpenAI itself by default."""
    openai_retired_models: Literal["replace", "send"] = "replace"
    """Whether the names of models that OpenAI has shut down are replaced by their successors, or sent unchanged to a
    server that still has them."""
    google_api_key: SecretStr | None = None
    """Key for Google's Gemini API: pictures."""
    google_base_url: AnyHttpUrl | None = None
    """Address of that API, without a version; Google itself by default."""
    render_answer_s_max: float = Field(default=180.0, gt=0, le=3_600)
    """Seconds to wait for one answer of OpenAI or Google; a later one counts as lost."""
    diffusers: DiffusersSettings = Field(default_factory=DiffusersSettings)
    """A self-hosted model, prefix ``ATELIER_DIFFUSERS_``."""
    render_workers: Workers = ()
    """Teams' own models behind HTTP, as JSON or as the path of a JSON file."""
    render_callback_url: AnyHttpUrl | None = None
    """Address at which those workers reach this service to announce news; without it they are only polled."""

    @field_validator(
        *("openai_api_key", "openai_base_url", "google_api_key", "google_base_url", "render_callback_url"),
        mode="before",
    )
    @classmethod
    def _none_where_empty(cls, value: object) -> object:
        return None if value == "" else value
