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
    """Pictures and narrations by OpenAI, or by a server that speaks its format."""
    openai_base_url: AnyHttpUrl | None = None
    """Where that is, with its ``/v1``; OpenAI itself where nothing is said."""
    openai_retired_models: Literal["replace", "send"] = "replace"
    """Whether the names of models that OpenAI has shut down are replaced by what it recommends instead, or sent as they
    are, to a server that still has them."""
    google_api_key: SecretStr | None = None
    """Pictures by Google's Gemini API."""
    google_base_url: AnyHttpUrl | None = None
    """Where that is, without a version; Google itself where nothing is said."""
    render_answer_s_max: float = Field(default=180.0, gt=0, le=3_600)
    """Seconds to wait for one answer of OpenAI or Google; what comes later counts as lost."""
    diffusers: DiffusersSettings = Field(default_factory=DiffusersSettings)
    """A model of our own, prefix ``ATELIER_DIFFUSERS_`` (docs/providers/diffusers.md)."""
    render_workers: Workers = ()
    """Teams' own models behind HTTP, as JSON or as the path of a JSON file (docs/providers/http-worker.md)."""
    render_callback_url: AnyHttpUrl | None = None
    """Where those workers reach this service, to say that there is news; without it they are only polled."""

    @field_validator(
        *("openai_api_key", "openai_base_url", "google_api_key", "google_base_url", "render_callback_url"),
        mode="before",
    )
    @classmethod
    def _none_where_empty(cls, value: object) -> object:
        return None if value == "" else value
