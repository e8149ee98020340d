"""Settings of the bus and of each service's database pool."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BrokerSettings(BaseSettings):
    """Read from the environment; a malformed value stops start-up and names the variable."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True)

    amqp_url: SecretStr
    """AMQP URL of the broker; it carries the password, hence a secret."""
    prefetch: int = Field(default=200, ge=1, le=2_000)
    """Frames a consumer may hold unacknowledged, per queue."""
    batch_max: int = Field(default=100, ge=1, le=1_000)
    """Frames taken into one batch at most."""
