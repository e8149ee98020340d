"""Settings every service has: where it runs, how loud it is, where its spans go."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class TelemetrySettings(BaseSettings):
    """Read from the environment; a malformed value stops start-up and names the variable."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True)

    environment: Literal["local", "production"] = "local"
    service_token: SecretStr = Field(min_length=16)
    """Bearer token of the internal read APIs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_s: float = Field(default=1.0, ge=0.0, le=60.0)
    """Seconds for which a process that is asked to end still answers while its readiness says 503."""
    trace_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of new traces that are recorded; a sampled parent is always followed."""
    otlp_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^(https?://.+)?$"
    )
    """Base URL of an OTLP/HTTP receiver; absent or empty, spans are made but not exported."""
